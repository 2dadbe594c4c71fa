#include "pixelclip/config/config.hpp"

#include "pixelclip/config/assign.hpp"
#include "pixelclip/config/writer.hpp"
#include "pixelclip/config/yaml_reader.hpp"

namespace pixelclip {

Config load_config(const std::filesystem::path& path, const std::vector<std::string>& overrides) {
  Config config;
  config::Keys collector;
  config.visit(collector);
  const auto keys = collector.take();
  if (!path.empty()) {
    for (const config::Value& file : config::read_yaml_chain(path)) config::assign_all(keys, file);
  }
  config::assign_overrides(keys, overrides);
  return config;
}

}  // namespace pixelclip
