#include "config/reference.hpp"

#include "base/error.hpp"
#include "config/assign.hpp"
#include "config/config.hpp"
#include "config/detectron2_keys.hpp"
#include "config/writer.hpp"

namespace pixelclip {
namespace {

constexpr const char* kIntroduction = R"(# Configuration

`pixelclip config --reference` prints this page. `pixelclip config --config-file FILE` prints the
values that result from a file; `--check` only checks them.

A configuration is a YAML file with the keys of PixelCLIP and detectron2, so existing files load
unchanged. Later values replace earlier ones: default, `_BASE_` files, the file itself, `KEY VALUE`
pairs on the command line. `_BASE_: other.yaml` is relative to the file that names it, and the other
file may have a base too. Values may be Python literals: `(640, 640)`, `("sam_resized",)`, `True`,
`None`. On a command line, quote them for the shell: `DATASETS.TEST '("my_set",)'`. Where a text is
expected, no further quotes are needed.

An unknown key, a wrong type or a value out of range stops the program with file, line and column.
Paths are relative to the working directory; `datasets/*.json` are also found in the source tree. A
run writes its values to OUTPUT_DIR/config.yaml, which is a valid configuration.
)";

constexpr const char* kCustomSets = R"(
## Own data sets: DATASETS.CUSTOM

A list of sets. DATASETS.TRAIN, DATASETS.TEST and TEST.PROTOCOL can name them:

```yaml
DATASETS:
  TRAIN: ("my_photos",)
  TEST: ("my_labels",)
  CUSTOM:
    - {name: my_photos, images: photos/train, masks: photos/masks}
    - {name: my_labels, images: photos/val, labels: photos/val_labels, names: [tree, lawn, path]}
```

| entry | meaning |
|---|---|
| `name` | name of the set in the other keys |
| `kind` | `sa1b` (JSON in SA-1B's form, one an image), `coco` (one instance JSON), `id_png` (each id in a PNG is a mask), `images` (images alone, for DINO masks), `sem_seg` (label PNGs to score with); default: detected from the files |
| `images` | folder of images; for training also a tar file, a compact shard, or a text file that lists such files |
| `masks` | training: folder of masks, or the COCO JSON file |
| `labels` | test: folder of label files (PNG, TIFF, BMP), matched to the images by relative path, else by file stem |
| `label_suffix` | test: end of the file name of a label after the stem, with or without extension: `_mask.png`, `_labelIds` |
| `image_suffix` | test: end of the stem of an image that its label lacks: `_leftImg8bit` |
| `list` | test: text file of the images of the set, one in each line |
| `names` | test: class names in the order of the labels, or a JSON file of them |
| `ignore` | label without effect on the score, or id that is not a mask, as 0; default: 255, or 65535 for a test set of more than 255 classes |
| `id_map` | `{label on disk: class, …}`, or a list with a class for each label; missing labels have no effect on the score |
)";

std::string cell(const std::string& text) {
  std::string escaped;
  for (const char c : text) escaped += c == '|' ? std::string("\\|") : std::string(1, c);
  return escaped;
}

/// The keys by section, each section's name once.
std::string passed_over_section() {
  std::string text =
      "\n## Keys of detectron2 without meaning here\n\n"
      "Configurations dumped by detectron2 load. Keys that have no effect in the public PixelCLIP "
      "or here are ignored and counted in one line of the log (PIXELCLIP_LOG=debug lists them); a "
      "misspelled one is an error. They are:\n\n";
  std::string section;
  for (const std::string& key : config::passed_over_keys()) {
    const size_t dot = key.rfind('.');
    const bool same = key.substr(0, dot) == section;
    if (!same && !section.empty()) text += '\n';
    section = key.substr(0, dot);
    text += str(same ? ", " : "- " + section + ": ", key.substr(dot + 1));
  }
  return text + "\n";
}

}  // namespace

std::string config_reference() {
  Config defaults;
  config::Keys collector;
  defaults.visit(collector);
  std::string text = kIntroduction, section;
  for (const config::Key& key : collector.take()) {
    const size_t dot = key.name.find('.');
    const std::string its_section =
        dot == std::string::npos ? "Top level" : key.name.substr(0, dot);
    if (its_section != section) {
      section = its_section;
      text +=
          str("\n## ", section, "\n\n| key | default | accepts | meaning |\n|---|---|---|---|\n");
    }
    text += str("| ", key.name, " | `", cell(config::value_text(key)), "` | ",
                cell(config::accepts(key)), " | ", cell(key.meaning), " |\n");
  }
  text += kCustomSets;
  return text + passed_over_section();
}

}  // namespace pixelclip
