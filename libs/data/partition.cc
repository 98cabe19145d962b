#include "libs/data/partition.h"

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <numeric>
#include <unordered_map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/files.h"
#include "libs/base/printable.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/data/findings.h"
#include "libs/data/internal/python_random.h"
#include "libs/data/internal/record.h"
#include "libs/data/kitti_folder.h"

namespace trainyard {
namespace {

using google::protobuf::Struct;
using google::protobuf::Value;

constexpr int64_t kMaxMapBytes = int64_t{64} << 20;
constexpr size_t kProblemsTold = 100;

// Makes sequences of what the JSON holds.
class MapReader {
 public:
  absl::StatusOr<std::vector<Sequence>> Read(const Struct& map, std::vector<std::string>& notes) {
    for (const auto& [name, value] : map.fields()) {
      if (value.kind_case() == Value::kListValue) {
        sequences_.push_back(ReadOne(name, value));
      } else {
        Add(name, "is no list; expected the frames of the sequence, as [\"000000\", \"000001\"]");
      }
    }
    // The map has no order.
    std::sort(sequences_.begin(), sequences_.end(),
              [](const Sequence& a, const Sequence& b) { return a.name < b.name; });
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

  Sequence ReadOne(const std::string& name, const Value& value) {
    Sequence sequence{.name = name, .frames = {}};
    for (const Value& frame : value.list_value().values()) {
      const size_t place = sequence.frames.size() + 1;
      if (frame.kind_case() != Value::kStringValue) {
        Add(name, absl::StrFormat("has a frame %d that is no text; expected one in quotes, as "
                                  "\"000012\"", place));
      } else if (!internal::IsBelowFolder(frame.string_value())) {
        Add(name, absl::StrFormat("has the frame '%s'; expected a path below the folder of images, "
                                  "without its ending", Shown(frame.string_value())));
      }
      sequence.frames.push_back(frame.string_value());
    }
    return sequence;
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
  Struct map;
  const auto parsed = google::protobuf::util::JsonStringToMessage(text, &map);
  if (!parsed.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "'", path, "' is no JSON object of sequences and their frames: ", Shown(std::string(parsed.message()), 400)));
  }
  absl::StatusOr<std::vector<Sequence>> sequences = MapReader().Read(map, notes);
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

}  // namespace trainyard
