#!/bin/sh
# Makes the secrets of docker-compose.yml: deploy/secrets.sh [FOLDER], by default secrets/ beside it.
# What is there stays as it is. No secret is shown.
#
# Compose mounts each file with its owner and mode of the host, and the programs in the containers run
# as different users: so anybody may read a file, but only the folder's owner gets to it on the host.
set -eu
umask 077

folder="${1:-$(dirname "$0")/../secrets}"
mkdir -p "$folder"
chmod 700 "$folder"
mkdir -p "$folder/channels"
chmod 755 "$folder/channels"

random() {
  head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n'
}

keep() { # NAME VALUE
  if [ -e "$folder/$1" ]; then
    echo "kept  $1"
    return
  fi
  printf '%s' "$2" >"$folder/.$1.new"
  chmod 444 "$folder/.$1.new"
  mv "$folder/.$1.new" "$folder/$1"
  echo "made  $1"
}

keep postgres_password "$(random)"
keep database_password "$(random)"
keep database_url "postgresql://rebate:$(cat "$folder/database_password")@postgres:5432/rebate"
keep service_password "$(random)"
keep service_url "postgresql://rebate_service:$(cat "$folder/service_password")@postgres:5432/rebate"
keep reader_password "$(random)"
keep admin_key "$(random)"
keep grafana_admin_password "$(random)"
keep grafana_secret_key "$(random)"
keep alert_gateway_token replace-me
keep smtp_password replace-me

for name in alert_gateway_token smtp_password; do
  if [ "$(cat "$folder/$name")" = replace-me ]; then
    echo "TO DO $name: put in what your alert gateway or mail server expects"
  fi
done
