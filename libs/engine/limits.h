#pragma once

namespace trainyard::engine {

/// The largest batch that an engine may be built for. Services ask for no more at the call.
inline constexpr int kMaxEngineBatch = 1024;

}  // namespace trainyard::engine
