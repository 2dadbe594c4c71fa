#pragma once

/// Marks the symbols that the shared library exports; all others are hidden.
#define PIXELCLIP_API [[gnu::visibility("default")]]
