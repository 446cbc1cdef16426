{{/* The name of everything in a release, at most 63 characters with what follows. */}}
{{- define "watershed.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What selects the pods of a part; called with (list $ "agent"). */}}
{{- define "watershed.selector" -}}
{{- $top := index . 0 -}}
app.kubernetes.io/name: {{ $top.Chart.Name }}
app.kubernetes.io/instance: {{ $top.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "watershed.labels" -}}
{{- $top := index . 0 -}}
{{ include "watershed.selector" . }}
app.kubernetes.io/version: {{ $top.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $top.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $top.Chart.Name $top.Chart.Version }}
{{- end -}}

{{- define "watershed.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "watershed.account" -}}
{{- $top := index . 0 -}}
{{- $part := index . 1 -}}
{{- if $top.Values.serviceAccount.create -}}
{{ include "watershed.name" $top }}-{{ $part }}
{{- else -}}
{{ get $top.Values.serviceAccount (printf "%sName" $part) | default "default" }}
{{- end -}}
{{- end -}}

{{/* Settings as the environment variables that they are read from, the later ones going over the earlier; whole
numbers without an exponent. Called with a list of them. */}}
{{- define "watershed.settings" -}}
{{- $all := dict -}}
{{- range . -}}{{- range $name, $value := . -}}{{- $_ := set $all $name $value -}}{{- end -}}{{- end -}}
{{- range $name, $value := $all }}
- name: WATERSHED_{{ $name | upper | replace "." "_" }}
  {{- if and (kindIs "float64" $value) (eq (floor $value) $value) }}
  value: {{ $value | int64 | quote }}
  {{- else }}
  value: {{ $value | toString | quote }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* What every part needs to know of Kafka; secrets are files. */}}
{{- define "watershed.kafka" -}}
- name: WATERSHED_KAFKA_BROKERS
  value: {{ .Values.kafka.brokers | quote }}
- name: WATERSHED_KAFKA_TOPIC
  value: {{ .Values.kafka.topic | quote }}
- name: WATERSHED_KAFKA_SECURITY
  value: {{ .Values.kafka.security | quote }}
{{- if .Values.kafka.caSecret }}
- name: WATERSHED_KAFKA_CA_FILE
  value: /run/secrets/kafka-ca/ca.crt
{{- end }}
{{- if .Values.kafka.passwordSecret }}
- name: WATERSHED_KAFKA_MECHANISM
  value: {{ .Values.kafka.mechanism | quote }}
- name: WATERSHED_KAFKA_USER
  value: {{ .Values.kafka.user | quote }}
- name: WATERSHED_KAFKA_PASSWORD_FILE
  value: /run/secrets/kafka/password
{{- end }}
{{- end -}}

{{- define "watershed.kafkaMounts" -}}
{{- if .Values.kafka.caSecret }}
- {name: kafka-ca, mountPath: /run/secrets/kafka-ca, readOnly: true}
{{- end }}
{{- if .Values.kafka.passwordSecret }}
- {name: kafka-password, mountPath: /run/secrets/kafka, readOnly: true}
{{- end }}
{{- end -}}

{{- define "watershed.kafkaVolumes" -}}
{{- if .Values.kafka.caSecret }}
- name: kafka-ca
  secret:
    secretName: {{ .Values.kafka.caSecret }}
    items: [{key: ca.crt, path: ca.crt}]
{{- end }}
{{- if .Values.kafka.passwordSecret }}
- name: kafka-password
  secret:
    secretName: {{ .Values.kafka.passwordSecret }}
    defaultMode: 0440
    items: [{key: password, path: password}]
{{- end }}
{{- end -}}
