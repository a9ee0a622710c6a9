{{/* A NetworkPolicy's head. (root, name) */}}
{{- define "ricity.policyFor" -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{- include "ricity.metadata" . | nindent 2 }}
spec:
  podSelector:
    matchLabels: {{- include "ricity.selector" . | nindent 6 }}
{{- end }}

{{/* A peer: a part of the release. (root, name) */}}
{{- define "ricity.peer" -}}
podSelector: {matchLabels: {{ include "ricity.selector" . | fromYaml | toJson }}}
{{- end }}

{{/*
Who calls whom, port by port: the parts' table, and what stands beside it (store, Prometheus, Grafana).
part -> {ports, calls, clients (people come to its HTTP port), store, cluster}
*/}}
{{- define "ricity.wiring" -}}
{{- $all := include "ricity.parts" . | fromYaml -}}
{{- range $name, $part := $all }}
{{- $people := or $part.rest (eq $name "console") }}
{{ $name }}: {{ dict "ports" $part.ports "calls" $part.calls "store" $part.store "clients" $people "cluster" $part.cluster | toJson }}
{{- end }}
{{- if eq (include "ricity.hasOwnStore" .) "yes" }}
store: {ports: {redis: 6379}, calls: {}}
{{- end }}
{{- with .Values.monitoring }}
{{- if .prometheus.enabled }}
{{- $watched := dict }}
{{- range $name, $part := $all }}{{ if not $part.args }}{{ $_ := set $watched $name (list "status") }}{{ end }}{{ end }}
prometheus: {ports: {http: 9090}, calls: {{ $watched | toJson }}}
{{- end }}
{{- if .grafana.enabled }}
grafana: {ports: {http: 3000}, calls: {prometheus: [http]}, clients: true}
{{- end }}
{{- end }}
{{- end }}

{{/* Numbers of named ports, in a list of NetworkPolicyPort. (names, ports) */}}
{{- define "ricity.policyPorts" -}}
{{- range .names }}
        - {port: {{ index $.ports . | default 9100 }}, protocol: TCP}
{{- end }}
{{- end }}
