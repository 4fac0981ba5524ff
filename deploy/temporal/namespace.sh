#!/bin/sh
# Makes the namespace, with 90 days' retention, and the search attributes by which migrations are found. Safe to run
# again.
set -eu
temporal operator namespace describe --namespace default >/dev/null 2>&1 ||
  temporal operator namespace create --namespace default --retention 90d
for attribute in MailferryTenant:Keyword MailferryLaunch:Keyword MailferryState:Keyword MailferryStep:Int; do
  name=${attribute%%:*}
  temporal operator search-attribute list --namespace default | grep -q "$name" ||
    temporal operator search-attribute create --namespace default --name "$name" --type "${attribute##*:}"
done
