{{/*
The deployment as a table: part -> how it is started and whom it calls. Every object of the parts is made from it.

  module    started with `python -m`
  image     key of .Values.images
  tier      core, routing or slicing: what a disruption budget counts together
  ports     its own, by name; the status port is everybody's
  calls     part -> names of that part's ports, for the network policies
  env       RICITY_* variables
  rest      it serves REST, to those with a token
  args      instead of the module: runs nothing by itself
  storage   folder that outlives the pod
  restart   Recreate where two at once would be in each other's way
  xapp      version of an xApp that attaches to the RIC: the manager may upgrade it
  cluster   it talks to the cluster's API server, as its own ServiceAccount
*/}}
{{- define "ricity.parts" -}}
{{- $root := . -}}
{{- $parts := include "ricity.ownParts" . | fromYaml -}}
{{- $xapps := include "ricity.xapps" . | fromYaml -}}
{{- range $name, $part := mustMerge $xapps $parts }}
{{- if $part.enabled }}
{{ $name }}: {{- toYaml $part | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}

{{- define "ricity.ownParts" -}}
{{- $root := . -}}
{{- $ric := include "ricity.address" (dict "root" . "name" "ric" "port" 50051) -}}
{{- $manager := printf "%s://%s" (ternary "http" "https" .Values.security.insecure) (include "ricity.address" (dict "root" . "name" "manager" "port" 8080)) -}}
{{- $registry := printf "%s://%s" (ternary "http" "https" .Values.security.insecure) (include "ricity.address" (dict "root" . "name" "registry" "port" 8090)) -}}
{{- $store := ternary (dict "store" (list "redis")) dict (eq (include "ricity.hasOwnStore" .) "yes") -}}
{{- $watched := list -}}
{{- range list "ric" "nodes" "radio" "critic" "manager" "registry" "auditor" -}}
{{- $watched = append $watched (printf "%s=%s" . (include "ricity.address" (dict "root" $root "name" . "port" 9100))) -}}
{{- end -}}
{{- $table := dict
  "ric" (dict
    "ports" (dict "grpc" 50051) "calls" $store "store" true
    "env" (dict "RICITY_GRPC_PORT" "50051" "RICITY_PROFILE" .Values.city.profile))
  "nodes" (dict
    "calls" (dict "ric" (list "grpc")) "storage" "/runs"
    "env" (dict "RICITY_RIC" $ric "RICITY_PROFILE" .Values.city.profile "RICITY_DAY" .Values.city.day
      "RICITY_SPEED" .Values.city.speed "RICITY_WAIT_FOR_SERVICES" "true" "RICITY_OUT" "/runs"))
  "radio" (dict
    "ports" (dict "grpc" 50061) "calls" (dict "ric" (list "grpc")) "storage" "/runs"
    "env" (dict "RICITY_GRPC_PORT" "50061" "RICITY_RIC" $ric "RICITY_DUS" (include "ricity.dus" .)
      "RICITY_FRAMES_PER_S" (.Values.city.framesPerS | toString) "RICITY_OUT" "/runs"))
  "manager" (dict
    "ports" (dict "http" 8080) "calls" (dict "ric" (list "grpc") "radio" (list "grpc") "critic" (list "grpc"))
    "storage" "/runs" "rest" true "cluster" true
    "env" (merge (dict "RICITY_HTTP_PORT" "8080" "RICITY_RIC" $ric "RICITY_AB_FOLDER" "/runs/ab"
      "RICITY_RADIO" (include "ricity.address" (dict "root" . "name" "radio" "port" 50061))
      "RICITY_CRITIC" (include "ricity.address" (dict "root" . "name" "critic" "port" 50062))) (include "ricity.driver" . | fromYaml)))
  "registry" (dict
    "ports" (dict "http" 8090) "storage" "/runs" "rest" true
    "env" (dict "RICITY_REST_PORT" "8090" "RICITY_REGISTRY" "/runs/registry"))
  "console" (dict
    "ports" (dict "http" 8088)
    "calls" (dict "ric" (list "grpc" "status") "manager" (list "http" "status") "registry" (list "http" "status") "nodes" (list "status") "radio" (list "status") "critic" (list "status") "auditor" (list "status"))
    "env" (dict "RICITY_HTTP_PORT" "8088" "RICITY_RIC" $ric "RICITY_MANAGER" $manager "RICITY_REGISTRY_URL" $registry "RICITY_PARTS" (join "," $watched)))
  "auditor" (dict
    "calls" $store "store" true
    "env" (dict "RICITY_EVERY_S" "300"))
  "cli" (dict
    "calls" (merge (dict "ric" (list "grpc") "manager" (list "http") "registry" (list "http")) $store) "store" true
    "args" (list "sleep" "infinity")
    "env" (dict "RICITY_RIC" $ric "RICITY_MANAGER" $manager))
-}}
{{- range $name, $part := $table }}
{{- $given := index $root.Values.parts $name | default dict }}
{{ $name }}:
  enabled: {{ dig "enabled" true $given }}
  module: services.{{ $name }}.main
  image: part
  tier: core
  replicas: {{ dig "replicas" 1 $given }}
  restart: Recreate
  ports: {{- $part.ports | default dict | toYaml | nindent 4 }}
  calls: {{- $part.calls | default dict | toYaml | nindent 4 }}
  args: {{- $part.args | default list | toYaml | nindent 4 }}
  store: {{ $part.store | default false }}
  rest: {{ $part.rest | default false }}
  cluster: {{ $part.cluster | default false }}
  storage: {{ $part.storage | default "" | quote }}
  env: {{- mergeOverwrite $part.env (dig "env" dict $given) | toYaml | nindent 4 }}
  resources: {{- include "ricity.resources" (list $root.Values.defaults.resources (dig "resources" dict $given)) | nindent 4 }}
{{- end }}
{{- end }}

{{/* Resources of the first, overwritten by those of the later ones. (list of resources) */}}
{{- define "ricity.resources" -}}
{{- $all := dict }}
{{- range . }}{{ $all = mergeOverwrite $all (deepCopy .) }}{{ end }}
{{- toYaml $all }}
{{- end }}
