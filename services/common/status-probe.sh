#!/bin/bash
# The health check of a container: status-probe [alive|ready]   exits 0 if the process says so at its status port.
# With RICITY_TLS_DIR it shows the part's own certificate. No Python: its start alone would cost several times as much.
port=${RICITY_STATUS_PORT:-9100}
request="GET /ric/v1/health/${1:-ready} HTTP/1.0"$'\r\n\r\n'
if [ -z "${RICITY_TLS_DIR-}" ]; then
  exec 3<>"/dev/tcp/127.0.0.1/$port" || exit
  printf %s "$request" >&3
  read -r answer <&3
else
  read -r answer < <(printf %s "$request" | openssl s_client -quiet -no-CApath -no-CAstore -connect "127.0.0.1:$port" \
    -CAfile "$RICITY_TLS_DIR/ca.crt" -cert "$RICITY_TLS_DIR/tls.crt" -key "$RICITY_TLS_DIR/tls.key" \
    -verify_return_error -verify_quiet -verify_hostname ricity-status 2>/dev/null)
fi
[[ $answer == *" 200 "* ]]
