#pragma once

#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "base/file.hpp"
#include "data/synthetic_sa1b.hpp"

namespace pixelclip::testing {

/// A member's header and content, padded to blocks.
inline std::string tar_member(const std::string& name, const std::string& content,
                              char type = '0') {
  std::string header(512, '\0');
  header.replace(0, std::min<size_t>(name.size(), 100), name, 0, 100);
  const auto octal = [&](size_t at, int digits, unsigned long value) {
    char text[16];
    std::snprintf(text, sizeof text, "%0*lo", digits, value);
    header.replace(at, static_cast<size_t>(digits), text);
  };
  octal(100, 7, 0644);
  octal(124, 11, content.size());
  octal(136, 11, 0);
  header[156] = type;
  header.replace(257, 6, std::string("ustar\0", 6));
  header.replace(263, 2, "00");
  header.replace(148, 8, "        ");
  unsigned long sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  octal(148, 6, sum);
  header[154] = '\0';
  return header + content + std::string((512 - content.size() % 512) % 512, '\0');
}

inline std::string tar_end() { return std::string(1024, '\0'); }

/// SA-1B's tar file: "./sa_N.jpg" and "./sa_N.json" of the samples made under `root`.
inline std::string tar_of(const fs::path& root, const std::vector<std::string>& stems,
                          const std::string& shard = "sa_000000") {
  std::string tar = tar_member("./", "", '5');
  for (const std::string& stem : stems) {
    tar += tar_member("./" + stem + ".jpg", read_text(root / "images" / shard / (stem + ".jpg")));
    tar += tar_member("./" + stem + ".json",
                      read_text(root / "annotations" / shard / (stem + ".json")));
  }
  return tar + tar_end();
}

}  // namespace pixelclip::testing
