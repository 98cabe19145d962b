#include "libs/data/internal/frame_scan.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "libs/base/files.h"
#include "libs/data/internal/parallel.h"

namespace trainyard::data::internal {
namespace {

// Few enough that a cancel is prompt.
constexpr int64_t kChunk = 64;

void Sort(LookedAt one, int64_t index, const KeepFrame& keep, Ledger* ledger) {
  ++ledger->images;
  if (one.refused) {
    ledger->entries.push_back(*std::move(one.refused));
    return;
  }
  const KittiLabels& labels = one.frame.labels;
  ledger->lines += labels.lines;
  ledger->entries.insert(ledger->entries.end(), labels.refused.begin(), labels.refused.end());
  ledger->findings.Merge(labels.findings);
  ledger->findings.AddPicture(one.facts, one.shown);
  keep(std::move(one.frame), index);
}

}  // namespace

bool LookAtImage(LookedAt& looked) {
  const absl::StatusOr<std::string> bytes = ReadFile(looked.frame.image_path, kMaxImageFileBytes);
  if (!bytes.ok()) {
    looked.Refuse(Refusal::kUnreadableImage, bytes.status().message());
    return false;
  }
  // Its place stands in front of the text already.
  const absl::StatusOr<ImageSize> size = VerifyImage(*bytes, "", &looked.facts);
  if (!size.ok()) {
    looked.Refuse(Refusal::kUnreadableImage, size.status().message());
    return false;
  }
  looked.frame.size = *size;
  return true;
}

absl::Status ScanFrames(int64_t count, int threads,
                        const std::function<LookedAt(int64_t index)>& look, const KeepFrame& keep,
                        const GoOn& go_on, Ledger* ledger) {
  std::vector<LookedAt> looked;
  for (int64_t begin = 0; begin < count; begin += kChunk) {
    looked.assign(static_cast<size_t>(std::min(kChunk, count - begin)), {});
    ParallelFor(static_cast<int64_t>(looked.size()), threads,
                [&](int64_t i) { looked[static_cast<size_t>(i)] = look(begin + i); });
    int64_t index = begin;
    for (LookedAt& one : looked) Sort(std::move(one), index++, keep, ledger);
    if (go_on && !go_on(std::min(begin + kChunk, count), count)) {
      return absl::CancelledError("cancelled while the images were looked through");
    }
  }
  return absl::OkStatus();
}

}  // namespace trainyard::data::internal
