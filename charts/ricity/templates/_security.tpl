{{/* How a part proves who it is and whom it lets in. (root, name, part) */}}
{{- define "ricity.securityEnv" -}}
{{- if .root.Values.security.insecure }}
- {name: RICITY_INSECURE, value: "true"}
{{- else }}
- {name: RICITY_TLS_DIR, value: /etc/ricity/identity}
{{- if .part.rest }}
- {name: RICITY_TOKENS_FILE, value: /etc/ricity/tokens/tokens.json}
{{- end }}
{{- if eq .name "console" }}
- {name: RICITY_MANAGER_TOKEN_FILE, value: /etc/ricity/tokens/token}
- {name: RICITY_REGISTRY_TOKEN_FILE, value: /etc/ricity/tokens/token}
{{- end }}
{{- end }}
{{- end }}

{{- define "ricity.securityMounts" -}}
{{- if not .root.Values.security.insecure }}
- {name: identity, mountPath: /etc/ricity/identity, readOnly: true}
{{- if or .part.rest (eq .name "console") }}
- {name: tokens, mountPath: /etc/ricity/tokens, readOnly: true}
{{- end }}
{{- end }}
{{- end }}

{{/* Mounted as folders, not file by file, so that renewed certificates and tokens reach a running part. */}}
{{- define "ricity.securityVolumes" -}}
{{- $security := .root.Values.security -}}
{{- $full := include "ricity.fullname" .root -}}
{{- if not $security.insecure }}
{{ include "ricity.identityVolume" (dict "root" .root "name" .name) }}
{{- if .part.rest }}
- name: tokens
  secret: {secretName: {{ $security.tokensSecret | default (printf "%s-tokens" $full) }}, defaultMode: 0440}
{{- else if eq .name "console" }}
- name: tokens
  secret: {secretName: {{ $security.consoleTokenSecret | default (printf "%s-console-token" $full) }}, defaultMode: 0440}
{{- end }}
{{- end }}
{{- end }}

{{- define "ricity.identitySecret" -}}
{{ .root.Values.security.identities | default (printf "%s-tls" (include "ricity.fullname" .root)) }}-{{ .name }}
{{- end }}

{{/* The certificate of a part or of a program of others. (root, name) */}}
{{- define "ricity.identityVolume" -}}
- name: identity
  secret: {secretName: {{ include "ricity.identitySecret" . }}, defaultMode: 0440}
{{- end }}

{{/* tls_config of a Prometheus that asks. (server) */}}
{{- define "ricity.asPrometheus" -}}
scheme: https
tls_config: {ca_file: /etc/ricity/identity/ca.crt, cert_file: /etc/ricity/identity/tls.crt, key_file: /etc/ricity/identity/tls.key, server_name: {{ .server }}}
{{- end }}
