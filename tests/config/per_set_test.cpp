#include <algorithm>

#include "base/file.hpp"
#include "config/check.hpp"
#include "config/per_set.hpp"
#include "support/support.hpp"

namespace pixelclip {
namespace {
using ::testing::Contains;
using ::testing::HasSubstr;

Config with_entry(const std::string& entry) {
  Config config;
  config.test.per_set = {entry};
  return config;
}

TEST(PerSet, ChangesKeysOfTestForOneSetAlone) {
  const auto config = load_config(
      "", {"TEST.PER_SET",
           "['a TEST.SHORT_SIDE 448 TEST.SLIDING_WINDOW.SIZE (32,64)', 'b TEST.SHORT_SIDE 560']"});
  const auto a = config_for_set(config, "a").test;
  EXPECT_EQ(a.short_side, 448);
  EXPECT_EQ(a.sliding_window.size, (Size2{32, 64}));
  EXPECT_EQ(config_for_set(config, "b").test.short_side, 560);
  EXPECT_EQ(config_for_set(config, "c").test.short_side, config.test.short_side);
  EXPECT_EQ(load_config("", {"TEST.PER_SET", "[]"}).test.per_set.size(), 0u);
}

TEST(PerSet, LosesToTheSameKeyOnTheCommandLine) {
  const testing::TempFolder folder;
  write_text(folder / "c.yaml",
             "TEST: {PER_SET: ['a TEST.SHORT_SIDE 448 TEST.RULE mmseg', 'b TEST.SHORT_SIDE 560', "
             "'c TEST.CLASS_JSON datasets/coco.json']}\n");
  const auto side = [&](const std::vector<std::string>& overrides, const char* set) {
    return config_for_set(load_config(folder / "c.yaml", overrides), set).test.short_side;
  };
  EXPECT_EQ(side({}, "a"), 448);
  EXPECT_EQ(side({"TEST.SHORT_SIDE", "320"}, "a"), 320);
  EXPECT_EQ(side({"TEST.SHORT_SIDE", "320"}, "b"), 320);
  const auto config = load_config(folder / "c.yaml", {"TEST.SHORT_SIDE", "320"});
  EXPECT_EQ(config_for_set(config, "a").test.rule, TestRule::mmseg) << "other keys of the set stay";
  EXPECT_THAT(config.test.per_set, ::testing::SizeIs(2)) << "an entry without keys is left out";
  EXPECT_EQ(side({"TEST.SHORT_SIDE", "320", "TEST.PER_SET", "['a TEST.SHORT_SIDE 64']"}, "a"), 64)
      << "an entry on the command line means one set alone";
  const std::vector<std::string> list = {"MODEL.SEM_SEG_HEAD.TEST_CLASS_JSON",
                                         "datasets/ade150.json"};
  auto own = load_config(folder / "c.yaml", list);
  apply_to_protocol(own, list);
  EXPECT_EQ(config_for_set(own, "c").test.class_json, "datasets/ade150.json");
}

TEST(PerSet, SaysWhatIsWrongWithAnEntry) {
  EXPECT_ERROR(config_for_set(with_entry("a TEST.SHORT_SIDE"), "a"),
               HasSubstr("expected a set's name and pairs of keys and values"));
  EXPECT_ERROR(config_for_set(with_entry("a MODEL.EPS 5"), "b"),
               HasSubstr("only keys of TEST may differ between sets"));
  EXPECT_ERROR(config_for_set(with_entry("a TEST.SHORT_SIED 5"), "a"),
               HasSubstr("did you mean TEST.SHORT_SIDE"));
}

class Presets : public ::testing::TestWithParam<const char*> {
 protected:
  Config load() const {
    return load_config(testing::fs::path(PIXELCLIP_SOURCE_DIR) / "configs/eval" /
                       (std::string(GetParam()) + ".yaml"));
  }
};

TEST_P(Presets, LoadAndPassTheCheckForEverySet) {
  auto config = load();
  EXPECT_EQ(to_string(config.model.dense.method), GetParam());
  EXPECT_EQ(config.test.protocol.size(), 8u);
  EXPECT_NO_THROW(check(config, 1, Purpose::protocol));
  for (const auto& set : config.test.protocol)
    EXPECT_THAT(sets_with_own_keys(config), Contains(set));
}

INSTANTIATE_TEST_SUITE_P(, Presets,
                         ::testing::Values("sclip", "naclip", "clearclip", "maskclip", "proxyclip"),
                         [](const auto& info) { return std::string(info.param); });

/// What the public configurations say of one set.
struct SetProtocol {
  const char *preset, *set;
  int64_t short_side, crop, stride;  // crop 0: whole
  double threshold, scale;
};

TEST(PresetsOfSets, AreThoseOfThePublicConfigurations) {
  const char *voc21 = "voc_2012_test_background_sem_seg", *voc20 = "voc_2012_test_sem_seg",
             *context60 = "context_60_test_sem_seg", *object = "coco_2017_test_object_sem_seg",
             *stuff = "coco_2017_test_stuff_all_sem_seg", *city = "cityscapes_fine_sem_seg_val",
             *context59 = "context_59_test_sem_seg", *ade = "ade20k_150_test_sem_seg";
  const SetProtocol expected[] = {
      {"sclip", voc21, 336, 224, 112, 0.1, 65},
      {"sclip", context60, 336, 224, 112, 0.1, 50},
      {"sclip", object, 336, 224, 112, 0.1, 50},
      {"sclip", voc20, 336, 224, 112, 0, 40},
      {"sclip", context59, 336, 224, 112, 0, 40},
      {"sclip", stuff, 448, 224, 112, 0, 40},
      {"sclip", city, 560, 224, 112, 0, 40},
      {"sclip", ade, 336, 224, 112, 0, 40},
      {"naclip", voc21, 336, 0, 0, 0.1, 40},
      {"naclip", context60, 336, 224, 112, 0.1, 40},
      {"naclip", object, 336, 224, 112, 0.1, 40},
      {"naclip", voc20, 336, 0, 0, 0, 40},
      {"naclip", context59, 336, 224, 112, 0, 40},
      {"naclip", stuff, 336, 224, 112, 0, 40},
      {"naclip", city, 560, 224, 112, 0, 40},
      {"naclip", ade, 336, 224, 112, 0, 40},
      {"clearclip", voc21, 448, 448, 224, 0.5, 50},
      {"clearclip", context60, 448, 448, 224, 0.15, 50},
      {"clearclip", object, 448, 448, 224, 0.4, 50},
      {"clearclip", voc20, 448, 448, 224, 0, 50},
      {"clearclip", context59, 448, 448, 224, 0, 50},
      {"clearclip", stuff, 448, 448, 224, 0, 50},
      {"clearclip", city, 448, 224, 224, 0, 50},
      {"clearclip", ade, 448, 448, 224, 0, 50},
      {"proxyclip", voc21, 336, 336, 112, 0.2, 40},
      {"proxyclip", context60, 336, 336, 112, 0.15, 40},
      {"proxyclip", object, 336, 336, 112, 0.25, 40},
      {"proxyclip", voc20, 336, 336, 112, 0, 40},
      {"proxyclip", context59, 336, 336, 112, 0, 40},
      {"proxyclip", stuff, 336, 336, 112, 0, 40},
      {"proxyclip", city, 448, 224, 112, 0, 40},
      {"proxyclip", ade, 448, 336, 112, 0, 40},
      {"proxyclip", "ade20k_full_sem_seg_freq_val_all", 448, 336, 112, 0, 40},
      {"proxyclip", "context_459_test_sem_seg", 448, 336, 112, 0, 40}};
  for (const auto& [preset, set, short_side, crop, stride, threshold, scale] : expected) {
    const auto config = load_config(testing::fs::path(PIXELCLIP_SOURCE_DIR) / "configs/eval" /
                                    (std::string(preset) + ".yaml"));
    const auto test = config_for_set(config, set).test;
    const auto name = std::string(preset) + " on " + set;
    EXPECT_EQ(test.short_side, short_side) << name;
    EXPECT_EQ(test.sliding_window.enabled, crop > 0) << name;
    if (crop > 0) {
      EXPECT_EQ(test.sliding_window.size, (Size2{crop, crop})) << name;
      EXPECT_EQ(test.sliding_window.stride, (Size2{stride, stride})) << name;
    }
    EXPECT_EQ(test.background.threshold, threshold) << name;
    EXPECT_EQ(test.background.scale, scale) << name;
    EXPECT_EQ(test.prompt_ensemble_type, "imagenet") << name;
    const bool words = std::string(set) == voc21 || std::string(set) == object;
    EXPECT_EQ(test.background.words.empty(), !words || std::string(preset) == "clearclip") << name;
    EXPECT_EQ(test.background.area,
              std::string(preset) == "sclip" && words && std::string(set) == voc21 ? 0.1 : 0)
        << name;
    EXPECT_EQ(test.refine == Refinement::pamr, std::string(preset) == "naclip") << name;
    const int64_t pad = std::string(preset) == "clearclip"   ? 16
                        : std::string(preset) == "proxyclip" ? 56
                                                             : 0;
    EXPECT_EQ(test.sliding_window.pad, pad) << name;
  }
}

TEST(Dense, RefusesKeysThatDoNotGoTogether) {
  const auto refused = [](const std::vector<std::string>& keys) {
    std::vector<std::string> all = {"DATASETS.TRAIN", "('sam',)"};
    all.insert(all.end(), keys.begin(), keys.end());
    check(load_config("", all), 1, Purpose::protocol);
  };
  EXPECT_ERROR(refused({"MODEL.DENSE.METHOD", "proxyclip"}),
               HasSubstr("MODEL.DENSE.HELPER_WEIGHTS is empty"));
  EXPECT_ERROR(refused({"MODEL.DENSE.METHOD", "naclp"}), HasSubstr("naclip"));
  EXPECT_ERROR(refused({"TEST.BACKGROUND.MODE", "reject"}), HasSubstr("need TEST.SCORES pixels"));
  EXPECT_ERROR(refused({"TEST.SCORES", "pixels", "TEST.AUG.ENABLED", "True"}),
               HasSubstr("every image is scored once"));
}

}  // namespace
}  // namespace pixelclip
