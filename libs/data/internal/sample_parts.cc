#include "libs/data/internal/sample_parts.h"

#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/data/internal/parallel.h"
#include "libs/data/internal/workplace.h"

namespace trainyard::data::internal {
namespace {

absl::Status CheckAbsent(const std::string& dir, absl::Span<const SamplePart> parts) {
  for (const SamplePart& part : parts) {
    const std::string path = JoinPath(dir, part.name);
    if (FileExists(path) || FolderExists(path)) {
      return absl::AlreadyExistsError(
          absl::StrCat("'", path, "' is there; remove it or choose another folder"));
    }
  }
  return absl::OkStatus();
}

// Which part picture `i` of all belongs to, and its number there.
std::pair<size_t, int64_t> PlaceOf(absl::Span<const SamplePart> parts, int64_t i) {
  size_t part = 0;
  while (i >= parts[part].count) i -= parts[part++].count;
  return {part, i};
}

}  // namespace

void CheckSampleSize(int width, int height, int threads, Problems& problems) {
  for (const auto& [name, side] : {std::pair{"width", width}, std::pair{"height", height}}) {
    if (side < 64 || side > 4096) problems.Add(name, "is %d; expected 64 to 4096", side);
  }
  if (threads < 1) problems.Add("threads", "is %d; expected at least 1", threads);
}

absl::Status WriteSampleParts(const std::string& dir, absl::Span<const SamplePart> parts,
                              absl::Span<const std::string> below, int threads,
                              const WriteSample& write,
                              const std::function<void(int64_t done, int64_t total)>& progress,
                              std::stop_token stop) {
  TY_RETURN_IF_ERROR(CheckAbsent(dir, parts));
  Workplace workplace(JoinPath(dir, "sample-data"));
  TY_RETURN_IF_ERROR(workplace.Open());
  int64_t total = 0;
  for (const SamplePart& part : parts) {
    total += part.count;
    for (const std::string& folder : below) {
      TY_RETURN_IF_ERROR(MakeFolders(workplace.In(JoinPath(part.name, folder))));
    }
  }
  std::mutex mutex;
  int64_t done = 0;
  absl::Status failure;
  const auto write_one = [&](int64_t i) -> absl::Status {
    if (stop.stop_requested()) return absl::CancelledError("cancelled before the end");
    const auto [part, index] = PlaceOf(parts, i);
    TY_RETURN_IF_ERROR(write(part, index, workplace.In(parts[part].name)));
    const std::lock_guard lock(mutex);
    ++done;
    if (progress) progress(done, total);
    return absl::OkStatus();
  };
  ParallelFor(total, threads, [&](int64_t i) {
    const absl::Status status = write_one(i);
    const std::lock_guard lock(mutex);
    if (failure.ok()) failure = status;
  });
  TY_RETURN_IF_ERROR(failure);
  for (const SamplePart& part : parts) {
    TY_RETURN_IF_ERROR(RenameSynced(workplace.In(part.name), JoinPath(dir, part.name)));
  }
  return absl::OkStatus();
}

}  // namespace trainyard::data::internal
