#!/bin/sh
# Fetches published weights into a folder and checks them where a SHA-256 is published.
# usage: tools/download_weights.sh [FOLDER (default: weights)] [NAME or URL ...]
# Names: ViT-B-16, convnext_base, dino (what training starts from); the trained models
# pixelclip_vit_base, pixelclip_vit_base_dino, pixelclip_convnext_base, pixelclip_convnext_base_dino,
# "pixelclip" is these four; and the helpers of the method proxyclip: dino_vits16 (the same as dino),
# dino_vits8, dino_vitb16, dino_vitb8, dinov2_vits14, dinov2_vitb14, and the last two with _reg.
# Without a name: what training starts from.
set -eu

vit=5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f
convnext=CLIP-convnext_base_w_320-laion_aesthetic-s13B-b82K-augreg
trained="pixelclip_vit_base pixelclip_vit_base_dino pixelclip_convnext_base pixelclip_convnext_base_dino"
helpers="dino_vits16 dino_vits8 dino_vitb16 dino_vitb8 dinov2_vits14 dinov2_vits14_reg dinov2_vitb14 dinov2_vitb14_reg"

is_name() {
    case " ViT-B-16 convnext_base dino pixelclip $trained $helpers " in
    *" ${1%.pth} "*) return 0 ;;
    *) return 1 ;;
    esac
}

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

# fetch_dino STEM [FOLDER (default: dino/STEM)]
fetch_dino() {
    fetch "https://dl.fbaipublicfiles.com/${2:-dino/$1}/$1.pth" "$1.pth"
}

# fetch_name NAME: only OpenAI publishes a SHA-256.
fetch_name() {
    case $1 in
    ViT-B-16) fetch "https://openaipublic.azureedge.net/clip/models/$vit/ViT-B-16.pt" ViT-B-16.pt "$vit" ;;
    convnext_base) fetch "https://huggingface.co/laion/$convnext/resolve/main/open_clip_pytorch_model.bin" "$convnext.bin" ;;
    dino | dino_vits16) fetch_dino dino_deitsmall16_pretrain ;;
    dino_vits8) fetch_dino dino_deitsmall8_pretrain ;;
    dino_vitb16) fetch_dino dino_vitbase16_pretrain ;;
    dino_vitb8) fetch_dino dino_vitbase8_pretrain ;;
    dinov2_*_reg) fetch_dino "${1%_reg}_reg4_pretrain" "dinov2/${1%_reg}" ;;
    dinov2_*) fetch_dino "${1}_pretrain" "dinov2/$1" ;;
    pixelclip) for name in $trained; do fetch_name "$name"; done ;;
    *) fetch "https://huggingface.co/hsshin98/PixelCLIP/resolve/main/weights/$1.pth" "$1.pth" ;;
    esac
}

folder=weights
if [ $# -gt 0 ] && ! is_name "$1" && [ "${1#*://}" = "$1" ]; then
    folder=$1
    shift
fi
named=no
for word in "$@"; do
    if is_name "$word"; then
        named=yes
    elif [ "${word#*/}" = "$word" ]; then
        echo "download_weights.sh: $word is neither an address nor one of ViT-B-16 convnext_base dino pixelclip $trained $helpers" >&2
        exit 2
    fi
done

mkdir -p "$folder"
if [ $named = no ]; then
    for name in ViT-B-16 convnext_base dino; do fetch_name "$name"; done
fi
for word in "$@"; do
    if is_name "$word"; then
        fetch_name "${word%.pth}"
    else
        file=${word%%\?*}
        fetch "$word" "${file##*/}"
    fi
done
[ $named = yes ] || echo "The trained models are fetched by name: tools/download_weights.sh $folder pixelclip_vit_base (others: $trained)"
