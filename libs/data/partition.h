#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace trainyard::data {

/// Names of image files by fold, in the order of their records. A fold may be empty.
using Folds = std::vector<std::vector<std::string>>;

/// Two folds: `names` in a random order from `seed`, of which the first floor(val_split / 100 * n) are
/// fold 0, the validation data.
///
/// Source: TAO's random mode, in which Python's generator orders what is divided already.
Folds RandomFolds(std::vector<std::string> names, double val_split, uint64_t seed);

/// Frames that were taken together, such as those of one drive: they look so much alike that a fold
/// for validation must not hold some of them and another fold the rest.
struct Sequence {
  std::string name;
  /// Paths below the folders of images and labels, without endings: "000012", "drive_1/000012".
  std::vector<std::string> frames;
};

/// Reads a map of sequences to frames: a JSON object `{"drive_1": ["000000", "000001"], ...}`, in its
/// order. A frame that a sequence lists twice counts once, with a line of `notes`. At most 64 MiB.
///
/// kNotFound when there is no such file. kInvalidArgument, with its problems, for text that is no such
/// object, an object without a frame or with one sequence twice, frames that are no text (leading
/// zeros count) or no path below a folder, and for frames of two sequences, which would be in two
/// folds.
absl::StatusOr<std::vector<Sequence>> ReadSequences(const std::string& path,
                                                    std::vector<std::string>& notes);

/// Which sequences each of `count` >= 1 folds gets, as indexes: the longest first, by name among
/// equals, each to the next fold in turn, and the folds then in reverse. Folds are empty where there
/// are fewer sequences than folds. With one fold all sequences stay in the order of the file.
///
/// Source: TAO's sequence mode.
std::vector<std::vector<size_t>> DealSequences(const std::vector<Sequence>& sequences, int count);

/// The folds of `dealt` (DealSequences): the images among `names` whose frames its sequences list,
/// each fold in a random order, one after the other from one `seed`.
Folds SequenceFolds(const std::vector<Sequence>& sequences,
                    const std::vector<std::vector<size_t>>& dealt,
                    const std::vector<std::string>& names, uint64_t seed);

}  // namespace trainyard::data
