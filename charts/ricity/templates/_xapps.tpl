{{/* O-DUs of the deployment. */}}
{{- define "ricity.dus" -}}
{{- $descriptor := .Files.Get "files/xapps/slicing.yaml" | fromYaml -}}
{{- .Values.city.dus | int | default ($descriptor.dus | int) -}}
{{- end }}

{{/*
The xApps as their descriptors say: one per service, one per O-DU, or one. What an xApp subscribes to tells whom it calls:
inserts and reports come from the RIC, frames from the radio network, and who takes experience is called by those who take frames.
*/}}
{{- define "ricity.xapps" -}}
{{- $root := . -}}
{{- range $path, $_ := .Files.Glob "files/xapps/*.yaml" }}
{{- $descriptor := $root.Files.Get $path | fromYaml }}
{{- $key := trimSuffix ".yaml" (base $path) }}
{{- $part := include "ricity.xapp" (dict "root" $root "key" $key "descriptor" $descriptor) }}
{{- if $descriptor.services }}
{{- range $root.Values.city.services | default $descriptor.services }}
{{ $descriptor.xapp_name | replace "{service}" . }}: {{- $part | nindent 2 }}
    RICITY_SERVICE: {{ . | quote }}
{{- end }}
{{- else if $descriptor.dus }}
{{- range until (include "ricity.dus" $root | int) }}
{{ $descriptor.xapp_name | replace "{du}" (toString .) }}: {{- $part | nindent 2 }}
    RICITY_DU: {{ . | quote }}
{{- end }}
{{- else }}
{{ $descriptor.xapp_name }}: {{- $part | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}

{{/* One xApp without what tells its instances apart; ends in its env. (root, key, descriptor) */}}
{{- define "ricity.xapp" -}}
{{- $values := .root.Values -}}
{{- $descriptor := .descriptor -}}
{{- $reads := $descriptor.subscriptions -}}
{{- $given := index $values.xapps .key | default dict -}}
{{- $calls := dict -}}
{{- $env := dict -}}
{{- $ports := dict -}}
{{- range $name, $value := $descriptor.env }}{{ $_ := set $env $name (toString $value) }}{{ end -}}
{{- if or $reads.inserts $reads.reports }}
{{- $_ := set $calls "ric" (list "grpc") }}
{{- $_ := set $env "RICITY_RIC" (include "ricity.address" (dict "root" .root "name" "ric" "port" 50051)) }}
{{- end }}
{{- if $reads.frames }}
{{- $_ := set $calls "radio" (list "grpc") }}
{{- $_ := set $env "RICITY_RADIO" (include "ricity.address" (dict "root" .root "name" "radio" "port" 50061)) }}
{{- $hasCritic := dig "critic" "enabled" true $values.xapps }}
{{- if $hasCritic }}{{ $_ := set $calls "critic" (list "grpc") }}{{ end }}
{{- $_ := set $env "RICITY_CRITIC" (ternary (include "ricity.address" (dict "root" .root "name" "critic" "port" 50062)) "" $hasCritic) }}
{{- end }}
{{- if $reads.experience }}
{{- $_ := set $ports "grpc" 50062 }}
{{- $_ := set $env "RICITY_GRPC_PORT" "50062" }}
{{- $_ := set $env "RICITY_DUS" (include "ricity.dus" .root) }}
{{- $_ := set $env "RICITY_OUT" "/runs/critic" }}
{{- end }}
{{- $limits := dict "cpu" (dig "resources" "cpus" 1 $descriptor | toString) "memory" (printf "%dMi" (dig "resources" "memory_mib" 512 $descriptor | int)) -}}
enabled: {{ dig "enabled" true $given }}
module: {{ $descriptor.module }}
image: {{ dig "image" "part" $given }}
tier: {{ ternary "core" .key (empty (or $descriptor.services $descriptor.dus)) }}
replicas: {{ dig "replicas" 1 $given }}
restart: {{ ternary "RollingUpdate" "Recreate" (hasKey $calls "ric") }}
xapp: {{ ternary $descriptor.version "" (hasKey $calls "ric") | quote }}
ports: {{- toYaml $ports | nindent 2 }}
calls: {{- toYaml $calls | nindent 2 }}
storage: {{ ternary "/runs" "" (hasKey $ports "grpc") | quote }}
resources:
  requests: {{- mergeOverwrite (deepCopy $values.defaults.resources.requests) (dig "requests" dict $given) | toYaml | nindent 4 }}
  limits: {{- toYaml $limits | nindent 4 }}
env: {{- mergeOverwrite $env (dig "env" dict $given) | toYaml | nindent 2 }}
{{- end }}

{{/* What the manager finds an xApp's Deployment and pods by, if it is one that the manager may upgrade. (root, name, part) */}}
{{- define "ricity.xappLabels" -}}
{{- if .part.xapp }}
ricity.xapp: {{ .name }}
ricity.version: {{ .part.xapp | replace "+" "_" }}
ricity.deployment: {{ include "ricity.fullname" .root }}-{{ .name }}
{{- end }}
{{- end }}

{{/* How the manager starts xApps: as the chart does. */}}
{{- define "ricity.driver" -}}
{{- $security := .Values.security -}}
{{- $full := include "ricity.fullname" . -}}
{{- $rights := include "ricity.podRights" (dict "root" . "user" .Values.defaults.runAsUser) | fromYaml -}}
RICITY_DRIVER: kubernetes
RICITY_XAPP_FOLDER: /runs/xapps
RICITY_KUBERNETES_NAMESPACE: {{ .Release.Namespace }}
RICITY_KUBERNETES_RELEASE: {{ .Release.Name }}
RICITY_KUBERNETES_OWNER: {{ $full }}-manager
RICITY_KUBERNETES_IMAGE: {{ include "ricity.image" (dict "root" . "image" "part") | quote }}
RICITY_KUBERNETES_CERTIFICATES: {{ ternary "" (printf "%s-{xapp}" ($security.identities | default (printf "%s-tls" $full))) $security.insecure | quote }}
RICITY_KUBERNETES_POD: {{ dict "labels" .Values.defaults.podLabels "annotations" .Values.defaults.podAnnotations "spec" $rights | toJson | quote }}
{{- end }}
