#include "pixelclip/version.hpp"

namespace pixelclip {

const char* version() { return PIXELCLIP_VERSION; }

}  // namespace pixelclip
