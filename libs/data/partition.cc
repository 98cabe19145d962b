#include "libs/data/partition.h"

#include <algorithm>
#include <numeric>
#include <set>
#include <unordered_map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/files.h"
#include "libs/base/json_reader.h"
#include "libs/base/printable.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/data/findings.h"
#include "libs/data/internal/python_random.h"
#include "libs/data/internal/record.h"
#include "libs/data/kitti_folder.h"

namespace trainyard::data {
namespace {

constexpr int64_t kMaxMapBytes = int64_t{64} << 20;
constexpr size_t kProblemsTold = 100;

// Reads a map of sequences to frames in the order of the text.
class MapReader {
 public:
  explicit MapReader(absl::string_view text) : json_(text) {}

  absl::StatusOr<std::vector<Sequence>> Read(std::vector<std::string>& notes) {
    TY_RETURN_IF_ERROR(json_.Object([this](absl::string_view name) { return ReadOne(std::string(name)); }));
    TY_RETURN_IF_ERROR(json_.End());
    for (const Sequence& sequence : sequences_) KeepOnce(sequence);
    if (owners_.empty() && problems_.empty()) Add("", "lists no frame");
    TY_RETURN_IF_ERROR(problems_.ToStatus());
    if (doubled_.count > 0) {
      notes.push_back(absl::StrCat(Counted(doubled_.count, "frame"),
                                   doubled_.count == 1 ? " is" : " are",
                                   " listed twice in a sequence (", doubled_.example,
                                   ") and taken once"));
    }
    for (Sequence& sequence : sequences_) RemoveDoubles(sequence);
    return std::move(sequences_);
  }

 private:
  void Add(const std::string& name, const std::string& text) {
    if (problems_.size() >= kProblemsTold) return;
    const std::string field = name.empty() ? "" : absl::StrCat("sequence '", Shown(name), "'");
    problems_.AddProblem({.field = field, .description = text});
  }

  absl::Status ReadOne(const std::string& name) {
    if (!names_.insert(name).second) Add(name, "is there twice");
    TY_ASSIGN_OR_RETURN(const JsonReader::Kind kind, json_.Next());
    if (kind != JsonReader::Kind::kArray) {
      Add(name, "is no list; expected the frames of the sequence, as [\"000000\", \"000001\"]");
      return json_.Skip();
    }
    Sequence& sequence = sequences_.emplace_back();
    sequence.name = name;
    size_t place = 0;
    return json_.Array([&]() -> absl::Status {
      ++place;
      TY_ASSIGN_OR_RETURN(const JsonReader::Kind element, json_.Next());
      if (element != JsonReader::Kind::kString) {
        Add(name, absl::StrFormat("has a frame %d that is no text; expected one in quotes, as "
                                  "\"000012\"", place));
        return json_.Skip();
      }
      TY_ASSIGN_OR_RETURN(std::string frame, json_.String());
      if (!internal::IsBelowFolder(frame)) {
        Add(name, absl::StrFormat("has the frame '%s'; expected a path below the folder of images, "
                                  "without its ending", Shown(frame)));
      }
      sequence.frames.push_back(std::move(frame));
      return absl::OkStatus();
    });
  }

  // Notes whose each frame is, and what two sequences or one of them list twice.
  void KeepOnce(const Sequence& sequence) {
    for (const std::string& frame : sequence.frames) {
      const auto [owner, is_new] = owners_.try_emplace(frame, &sequence);
      if (is_new) continue;
      if (owner->second == &sequence) {
        doubled_.Add(absl::StrCat(Shown(frame), " of ", Shown(sequence.name)));
      } else {
        Add(sequence.name, absl::StrFormat("has the frame '%s', which '%s' has too; a frame belongs to "
                                           "one sequence, or it would be in two folds",
                                           Shown(frame), Shown(owner->second->name)));
      }
    }
  }

  void RemoveDoubles(Sequence& sequence) {
    std::vector<std::string> once;
    for (std::string& frame : sequence.frames) {
      if (owners_.erase(frame) > 0) once.push_back(std::move(frame));
    }
    sequence.frames = std::move(once);
  }

  JsonReader json_;
  std::set<std::string> names_;
  std::vector<Sequence> sequences_;
  std::unordered_map<std::string, const Sequence*> owners_;
  Finding doubled_;
  Problems problems_;
};

}  // namespace

Folds RandomFolds(std::vector<std::string> names, double val_split, uint64_t seed) {
  internal::PythonRandom(seed).Shuffle(names);
  const double part = val_split / 100.0;
  const auto middle =
      names.begin() + static_cast<int64_t>(part * static_cast<double>(names.size()));
  return {{names.begin(), middle}, {middle, names.end()}};
}

absl::StatusOr<std::vector<Sequence>> ReadSequences(const std::string& path,
                                                    std::vector<std::string>& notes) {
  TY_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxMapBytes));
  absl::StatusOr<std::vector<Sequence>> sequences = MapReader(text).Read(notes);
  TY_RETURN_IF_ERROR(Annotate(sequences.status(), absl::StrCat("'", path, "'")));
  return sequences;
}

std::vector<std::vector<size_t>> DealSequences(const std::vector<Sequence>& sequences, int count) {
  std::vector<size_t> order(sequences.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const auto folds = static_cast<size_t>(std::max(count, 1));
  if (folds == 1) return {order};
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    const Sequence &one = sequences[a], &other = sequences[b];
    if (one.frames.size() != other.frames.size()) return one.frames.size() > other.frames.size();
    return one.name < other.name;
  });
  std::vector<std::vector<size_t>> dealt(folds);
  for (size_t i = 0; i < order.size(); ++i) dealt[folds - 1 - i % folds].push_back(order[i]);
  return dealt;
}

Folds SequenceFolds(const std::vector<Sequence>& sequences,
                    const std::vector<std::vector<size_t>>& dealt,
                    const std::vector<std::string>& names, uint64_t seed) {
  std::unordered_map<std::string, const std::string*> by_frame;
  for (const std::string& name : names) by_frame.emplace(FrameOf(name), &name);
  Folds folds;
  internal::PythonRandom random(seed);
  for (const std::vector<size_t>& fold : dealt) {
    std::vector<std::string>& images = folds.emplace_back();
    for (const size_t sequence : fold) {
      for (const std::string& frame : sequences[sequence].frames) {
        const auto name = by_frame.find(frame);
        if (name != by_frame.end()) images.push_back(*name->second);
      }
    }
    random.Shuffle(images);
  }
  return folds;
}

}  // namespace trainyard::data
