#pragma once

#include <limits>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "google/protobuf/map.h"
#include "google/protobuf/message.h"
#include "libs/base/problems.h"
#include "libs/spec/coverage.h"
#include "libs/spec/text_format.h"

namespace trainyard::spec::internal {

/// Numbers from `least` to `most`; `open_least` and `open_most` leave the bound itself out.
struct Range {
  double least = -std::numeric_limits<double>::infinity();
  double most = std::numeric_limits<double>::infinity();
  bool open_least = false;
  bool open_most = false;

  bool Holds(double value) const;
  /// "above 0", "at least 1", "a number in [0, 1)".
  std::string Text() const;
};

inline constexpr double kInfinity = std::numeric_limits<double>::infinity();
inline constexpr Range kPositive{.least = 0, .open_least = true};
inline constexpr Range kNotNegative{.least = 0};
/// (0, 1).
inline constexpr Range kOpenUnit{.least = 0, .most = 1, .open_least = true, .open_most = true};
inline constexpr Range kUnit{.least = 0, .most = 1};
/// Upper ends that no sensible spec reaches: they keep a slip of the pen from asking for terabytes,
/// and values within the range of int.
inline constexpr Range kCount{.least = 1, .most = 1e6};
inline constexpr Range kCountOrZero{.least = 0, .most = 1e6};

enum class Presence { kOptional, kRequired };

/// "spec.txt:3:5: ", to stand before a warning; "" for places.end().
std::string PlacePrefix(const FieldPlaces& places, FieldPlaces::const_iterator place);

/// Collects what is wrong with the values of a spec. Paths are those of FieldPlaces, which give
/// each problem its place: the field's own, or that of the nearest message around it that is there.
class FieldCheck {
 public:
  /// `places` may be null. `partial`: the text could not be read whole, so that nothing is missed.
  FieldCheck(const FieldPlaces* places, bool partial) : places_(places), partial_(partial) {}

  template <typename... Args>
  void Add(absl::string_view path, const absl::FormatSpec<Args...>& format, const Args&... args) {
    invalid_.AddProblem({std::string(path), absl::StrFormat(format, args...), PlaceOf(path)});
  }
  /// `path` is not there; "is missing; expected ...".
  void Missing(absl::string_view path, absl::string_view expected);
  /// "... is not offered yet".
  void NotOffered(absl::string_view path, std::string description);
  /// NotOffered for every such field of the message that is set (FindUnsupported).
  void NotOfferedIn(const google::protobuf::Message& message, absl::Span<const CoverageRule> rules);

  /// Checks the number `name` of a message whose path is `prefix`; absent is fine unless required.
  void Number(const google::protobuf::Message& message, absl::string_view prefix,
              absl::string_view name, const Range& range, Presence presence = Presence::kOptional);
  /// Checks that the text `name` is there and not empty. Returns whether it is.
  bool Text(const google::protobuf::Message& message, absl::string_view prefix,
            absl::string_view name, absl::string_view expected);
  /// Checks that the text, when not empty, is a path that stays below a root folder.
  void RelativePath(const google::protobuf::Message& message, absl::string_view prefix,
                    absl::string_view name);
  /// Checks that a text is one of `choices`. Empty counts as absent.
  void Choice(const google::protobuf::Message& message, absl::string_view prefix,
              absl::string_view name, absl::Span<const std::string> choices);
  /// Checks label class -> class: no empty names, no two keys that differ by case alone.
  void ClassMapping(const google::protobuf::Map<std::string, std::string>& mapping,
                    absl::string_view path);

  /// The problems of both kinds: those that are wrong, and those that are not offered yet.
  const Problems& invalid() const { return invalid_; }
  /// kInvalidArgument with everything, kUnimplemented when only things not offered were found, or
  /// OK. `earlier` come first: the problems of reading the text.
  absl::Status ToStatus(const Problems& earlier = {}) const;

 private:
  std::string PlaceOf(absl::string_view path) const;

  const FieldPlaces* places_;
  bool partial_;
  Problems invalid_;
  Problems not_offered_;
};

}  // namespace trainyard::spec::internal
