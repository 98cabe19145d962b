#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "libs/data/image_io.h"
#include "libs/data/kitti_folder.h"
#include "libs/data/ledger.h"

namespace trainyard::data::internal {

/// A frame that can be used, or the reason why not.
struct LookedAt {
  KittiFrame frame;
  ImageFacts facts;
  /// What ledgers call the image.
  std::string shown;
  std::optional<LedgerEntry> refused;

  /// Leaves the whole image out.
  void Refuse(Refusal reason, absl::string_view text) {
    refused = LedgerEntry{shown, frame.id, reason, std::string(text)};
  }
};

/// Reads the image `looked.frame.image_path` and sets size and facts. False when it was refused.
bool LookAtImage(LookedAt& looked);

using KeepFrame = std::function<void(KittiFrame frame, int64_t index)>;
using GoOn = std::function<bool(int64_t done, int64_t total)>;

/// Calls `look` for each of `count` images on `threads` threads and hands what can be used to
/// `keep`, with its index, in their order and from the calling thread, and all else to `ledger`.
/// Memory holds a few dozen frames. kCancelled when `go_on`, which may be empty, returned false.
absl::Status ScanFrames(int64_t count, int threads,
                        const std::function<LookedAt(int64_t index)>& look, const KeepFrame& keep,
                        const GoOn& go_on, Ledger* ledger);

}  // namespace trainyard::data::internal
