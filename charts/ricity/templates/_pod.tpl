{{/* What every pod of the release has in common. (root, user, cluster: it talks to the API server) */}}
{{- define "ricity.podRights" -}}
automountServiceAccountToken: {{ .cluster | default false }}
enableServiceLinks: false  # Kubernetes would add RICITY_* variables for a release of that name, and parts refuse unknown ones
serviceAccountName: {{ include "ricity.fullname" .root }}{{ if .cluster }}-manager{{ end }}
securityContext:
  runAsNonRoot: true
  runAsUser: {{ .user }}
  runAsGroup: {{ .user }}
  fsGroup: {{ .user }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with .root.Values.images.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- include "ricity.placement" .root }}
{{- end }}

{{- define "ricity.placement" -}}
{{- with .Values.defaults.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.defaults.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.defaults.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.defaults.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "ricity.containerRights" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* Claim or emptyDir. (root, name, size) */}}
{{- define "ricity.claim" -}}
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{- include "ricity.metadata" . | nindent 2 }}
  annotations: {helm.sh/resource-policy: keep}
spec:
  accessModes: [ReadWriteOnce]
  {{- with .root.Values.persistence.storageClass }}
  storageClassName: {{ . }}
  {{- end }}
  resources: {requests: {storage: {{ .size }}}}
{{- end }}

{{/* The volume source. (root, name, size) */}}
{{- define "ricity.volume" -}}
{{- if .root.Values.persistence.enabled -}}
persistentVolumeClaim: {claimName: {{ include "ricity.fullname" .root }}-{{ .name }}}
{{- else -}}
emptyDir: {sizeLimit: {{ .size }}}
{{- end }}
{{- end }}

{{/* Variables that lead to the store; the password never stands in a manifest. */}}
{{- define "ricity.storeEnv" -}}
{{- $store := .Values.store -}}
{{- if $store.urlSecret.name -}}
- name: RICITY_STORE_URL
  valueFrom: {secretKeyRef: {name: {{ $store.urlSecret.name }}, key: {{ $store.urlSecret.key }}}}
{{- else if $store.url -}}
- {name: RICITY_STORE_URL, value: {{ $store.url | quote }}}
{{- else if $store.bundled.passwordSecret.name -}}
- name: STORE_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ $store.bundled.passwordSecret.name }}, key: {{ $store.bundled.passwordSecret.key }}}}
- {name: RICITY_STORE_URL, value: "redis://:$(STORE_PASSWORD)@{{ include "ricity.fullname" . }}-store:6379/0"}
{{- else -}}
- {name: RICITY_STORE_URL, value: "redis://{{ include "ricity.fullname" . }}-store:6379/0"}
{{- end }}
{{- end }}
