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
{{- else -}}
- {name: RICITY_STORE_URL, value: "{{ ternary "redis" "rediss" .Values.security.insecure }}://{{ include "ricity.fullname" . }}-store:6379/0"}
{{- if $store.bundled.passwordSecret.name }}
- {name: RICITY_STORE_PASSWORD_FILE, value: /etc/ricity/store/password}
{{- end }}
{{- end }}
{{- end }}

{{- define "ricity.storeMounts" -}}
{{- if and (eq (include "ricity.hasOwnStore" .) "yes") .Values.store.bundled.passwordSecret.name }}
- {name: store-password, mountPath: /etc/ricity/store, readOnly: true}
{{- end }}
{{- end }}

{{- define "ricity.storeVolumes" -}}
{{- $secret := .Values.store.bundled.passwordSecret }}
{{- if and (eq (include "ricity.hasOwnStore" .) "yes") $secret.name }}
- name: store-password
  secret: {secretName: {{ $secret.name }}, defaultMode: 0440, items: [{key: {{ $secret.key }}, path: password}]}
{{- end }}
{{- end }}
