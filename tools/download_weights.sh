#!/bin/sh
# Fetches the published CLIP backbones and DINO into a folder and checks them; further addresses, such as
# those of the PixelCLIP checkpoints, are fetched as well.
# usage: tools/download_weights.sh [FOLDER (default: weights) [URL...]]
set -eu

folder=${1:-weights}
[ $# -eq 0 ] || shift
vit=5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f
convnext=CLIP-convnext_base_w_320-laion_aesthetic-s13B-b82K-augreg
dino=dino_deitsmall16_pretrain

# fetch URL FILE [SHA256]: resumes a broken download; the file gets its name only when it is good.
fetch() {
    target=$folder/$2
    if [ -f "$target" ]; then
        echo "$target: already here"
        return
    fi
    echo "$target: fetching $1"
    if command -v curl >/dev/null; then
        curl --fail --location --continue-at - --output "$target.part" "$1"
    elif command -v wget >/dev/null; then
        wget --continue --output-document "$target.part" "$1"
    else
        echo "download_weights.sh: needs curl or wget; install one of them" >&2
        exit 1
    fi
    if [ -n "${3:-}" ] && ! echo "$3  $target.part" | sha256sum --check --status; then
        echo "$target: its SHA-256 is not the published $3; delete $target.part and try again" >&2
        exit 1
    fi
    mv "$target.part" "$target"
}

mkdir -p "$folder"
fetch "https://openaipublic.azureedge.net/clip/models/$vit/ViT-B-16.pt" ViT-B-16.pt "$vit"
# The authors of these two publish no SHA-256.
fetch "https://huggingface.co/laion/$convnext/resolve/main/open_clip_pytorch_model.bin" "$convnext.bin"
fetch "https://dl.fbaipublicfiles.com/dino/$dino/$dino.pth" "$dino.pth"
for url in "$@"; do
    name=${url%%\?*}
    fetch "$url" "${name##*/}"
done

cat <<EOF
The four PixelCLIP checkpoints (ViT-B/16 and ConvNeXt-B, with SA-1B and with DINO masks) are linked by
their authors at https://github.com/cvlab-kaist/PixelCLIP: give these links to this script behind the
folder's name, or put the files into $folder/ yourself, and name one with MODEL.WEIGHTS.
EOF
