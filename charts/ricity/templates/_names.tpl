{{- define "ricity.fullname" -}}
{{- $name := ternary .Release.Name (printf "%s-ricity" .Release.Name) (contains "ricity" .Release.Name) -}}
{{- $name | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{/* Labels that never change: what selectors use. (root, name) */}}
{{- define "ricity.selector" -}}
app.kubernetes.io/name: ricity
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .name }}
{{- end }}

{{/* (root, name, tier) */}}
{{- define "ricity.labels" -}}
{{ include "ricity.selector" . }}
app.kubernetes.io/part-of: ricity
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- with .tier }}
ricity/tier: {{ . }}
{{- end }}
{{- end }}

{{/* Name, namespace and labels of an object. (root, name, tier, suffix) */}}
{{- define "ricity.metadata" -}}
name: {{ include "ricity.fullname" .root }}-{{ .name }}
namespace: {{ .root.Release.Namespace }}
labels: {{- include "ricity.labels" . | nindent 2 }}
{{- end }}

{{/* (root, image): key of .Values.images */}}
{{- define "ricity.image" -}}
{{- $image := index .root.Values.images .image -}}
{{- with .root.Values.images.registry }}{{ trimSuffix "/" . }}/{{ end -}}
{{ $image.repository }}:{{ $image.tag | default .root.Chart.AppVersion }}
{{- end }}

{{/* host:port of a part. (root, name, port) */}}
{{- define "ricity.address" -}}
{{ include "ricity.fullname" .root }}-{{ .name }}:{{ .port }}
{{- end }}

{{- define "ricity.hasOwnStore" -}}
{{- if not (or .Values.store.url .Values.store.urlSecret.name) }}yes{{ end -}}
{{- end }}
