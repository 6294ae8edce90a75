#!/usr/bin/env bash
# From a checked-out version to servers that run it, or back to those that ran before:
#
#     examples/ticketing/deploy/release.sh registry.example.com/nebula-ticketing staging
#
# The second argument is kubectl's context. What is released has passed `.ci/run`; here it is built, scanned, pushed, and put in
# service. Wants docker, trivy and kubectl. Once a day beside it: `ticketing backup` (docs/operations.md).
set -euo pipefail

image=${1:?the name of the image, without a tag}
context=${2:?the context of kubectl}
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."

if [ -n "$(git status --porcelain)" ]; then
    echo "There are changes that nobody has committed: nobody could tell what runs." >&2
    exit 1
fi
tag=$(git describe --tags --always)

docker build --file examples/ticketing/deploy/Dockerfile --tag "$image:$tag" .
trivy image --exit-code 1 --severity HIGH,CRITICAL --ignore-unfixed "$image:$tag"
docker push "$image:$tag"
# By its digest: a tag may be moved.
released=$(docker inspect --format '{{index .RepoDigests 0}}' "$image:$tag")

run() { kubectl --context "$context" --namespace ticketing "$@"; }
run set image deployment/ticketing "server=$released"
if ! run rollout status deployment/ticketing --timeout 10m; then
    echo "$released does not become ready: back to the version before." >&2
    run rollout undo deployment/ticketing
    run rollout status deployment/ticketing --timeout 10m
    exit 1
fi
echo "$released is in service."
