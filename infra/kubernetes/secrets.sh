#!/bin/sh
# Prints the Secrets of a folder that `comptoir access secrets` has filled, one per consumer; nothing is sent anywhere:
#   sh infra/kubernetes/secrets.sh folder | kubectl apply --server-side -f -
# On the server's side, as otherwise kubectl keeps a second copy of each in an annotation.
set -eu
umask 077
folder=${1:?the folder with a folder of secrets per consumer}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

secret() { # of the files in $work, which are gone afterwards
    name=$1
    shift
    kubectl create secret generic "comptoir-$name" --namespace comptoir --from-file="$work" \
        --dry-run=client --output yaml "$@"
    echo ---
    rm -f "$work"/*
}
file() { printf %s "$(cat "$1")" >"$work/$2"; } # without the end of the line, which not everybody takes away

for consumer in "$folder"/*/; do
    name=$(basename "$consumer")
    case $name in
    postgres) # as the operators want them
        file "$consumer/password" password
        printf postgres >"$work/username"
        secret "$name" --type=kubernetes.io/basic-auth
        ;;
    rabbitmq)
        file "$consumer/password" password
        cp "$consumer/conf.d/20-admin.conf" "$work/default_user.conf"
        printf comptoir-admin >"$work/username"
        printf rabbitmq.comptoir.svc >"$work/host"
        sed 's,.*@[^/]*:\([0-9]*\)/.*,\1,' "$folder/access/rabbitmq_url" | tr -d '\n' >"$work/port"
        printf rabbitmq | tee "$work/type" >"$work/provider"
        secret "$name"
        ;;
    *)
        for each in "$consumer"*; do
            file "$each" "$(basename "$each")"
        done
        secret "$name"
        ;;
    esac
done
