#pragma once

namespace pixelclip::signals {

/// From now on SIGINT, SIGTERM and SIGUSR1 ask for a clean stop instead of ending the process; a
/// second SIGINT ends it at once.
void install();

/// The number of the signal that asked for a stop, or 0.
int stop_requested();

}  // namespace pixelclip::signals
