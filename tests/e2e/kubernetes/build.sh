#!/usr/bin/env bash
# Makes Kubernetes' own programs from Debian 12's source package: build.sh FOLDER. Once; some ten minutes of processor time.
# Needs root for apt. Debian ships kubectl alone as a program, but the package's source holds everything with its libraries.
set -euo pipefail
to=$(realpath -m "${1:?usage: build.sh FOLDER}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mkdir -p "$work/apt" "$work/lists/partial" "$to"
sed 's/^Types: deb$/Types: deb-src/' /etc/apt/sources.list.d/debian.sources > "$work/apt/debian.sources"
sources=(-o Dir::Etc::SourceList=/dev/null -o "Dir::Etc::SourceParts=$work/apt" -o "Dir::State::Lists=$work/lists")
apt-get update -qq
apt-get install -y -qq --no-install-recommends dpkg-dev golang-1.19-go etcd-server openssl > /dev/null
apt-get "${sources[@]}" update -qq
tree=$work/go/src/k8s.io/kubernetes
mkdir -p "$(dirname "$tree")"
(cd "$work" && apt-get "${sources[@]}" source -qq --download-only kubernetes && dpkg-source --no-check -x kubernetes_*.dsc "$tree" > /dev/null)

cd "$tree"
export PATH=/usr/lib/go-1.19/bin:$PATH GOPATH=$work/go GOCACHE=$work/cache GO111MODULE=off CGO_ENABLED=0
go build -o "$work/openapi-gen" ./vendor/k8s.io/kube-openapi/cmd/openapi-gen
described=$(grep -rl --include='*.go' '+k8s:openapi-gen=' pkg staging/src/k8s.io | grep -vE '_examples|sample-apiserver|/testdata/|code-generator|kube-openapi' |
  xargs -n1 dirname | LC_ALL=C sort -u | sed 's#^staging/src/#k8s.io/kubernetes/vendor/#; t; s#^#k8s.io/kubernetes/#' | paste -sd,)
"$work/openapi-gen" -i "$described" -p k8s.io/kubernetes/pkg/generated/openapi -O zz_generated.openapi \
  -h hack/boilerplate/boilerplate.generatego.txt -r "$work/violations"

version=$(dpkg-parsechangelog -S Version | sed 's/.*really//; s/-.*//')
packages=(component-base/version client-go/pkg/version)
flags="-s -w"
for package in "${packages[@]}"; do flags+=" -X k8s.io/kubernetes/vendor/k8s.io/$package.gitVersion=v$version"; done
for program in kube-apiserver kube-controller-manager; do
  go build -ldflags "$flags" -o "$to/" "./cmd/$program"
  echo "$to/$program"
done
