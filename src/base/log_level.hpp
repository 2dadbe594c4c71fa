#pragma once

namespace pixelclip::log {

/// While quiet, only warnings and errors go to standard error, and no progress. Files that were
/// added get everything.
void set_quiet(bool quiet);

}  // namespace pixelclip::log
