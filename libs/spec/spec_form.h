#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/spec/field_check.h"
#include "libs/spec/spec_kind.h"
#include "libs/spec/text_format.h"
#include "libs/spec/text_parser.h"

namespace trainyard::spec::internal {

/// What a kind of spec adds to the steps in which all of them are read.
template <typename Spec>
struct SpecForm {
  ExpectedSpec expected;
  /// Names what is set and has no effect; `warnings` may be null. Null when all of it has one.
  void (*warn)(const Spec& spec, const FieldPlaces& places, std::vector<std::string>* warnings);
  void (*apply_defaults)(Spec* spec);

  /// Reads a text and changes it by `overrides`: no checks of values, no defaults. `warnings` and
  /// `places` may be null. Fails with the problems of both, and with one alone for a text of
  /// another kind.
  absl::StatusOr<Spec> Parse(absl::string_view text, absl::string_view file_name,
                             absl::Span<const std::string> overrides,
                             std::vector<std::string>* warnings,
                             FieldPlaces* places = nullptr) const {
    TY_RETURN_IF_ERROR(ExpectSpecKind(text, file_name, expected));
    FieldPlaces own_places;
    Problems problems;
    Spec spec = Read(text, file_name, overrides, warnings, places == nullptr ? &own_places : places,
                     &problems);
    TY_RETURN_IF_ERROR(problems.ToStatus());
    return spec;
  }

  /// Parse, `check(spec, FieldCheck*)`, defaults. Values are checked also when the text has
  /// problems, and all of them come together.
  template <typename Check>
  absl::StatusOr<Spec> Load(absl::string_view text, absl::string_view file_name,
                            absl::Span<const std::string> overrides,
                            std::vector<std::string>* warnings, Check check) const {
    TY_RETURN_IF_ERROR(ExpectSpecKind(text, file_name, expected));
    FieldPlaces places;
    Problems problems;
    Spec spec = Read(text, file_name, overrides, warnings, &places, &problems);
    FieldCheck values(&places, /*partial=*/!problems.empty());
    check(spec, &values);
    TY_RETURN_IF_ERROR(values.ToStatus(problems));
    apply_defaults(&spec);
    return spec;
  }

 private:
  Spec Read(absl::string_view text, absl::string_view file_name,
            absl::Span<const std::string> overrides, std::vector<std::string>* warnings,
            FieldPlaces* places, Problems* problems) const {
    Spec spec;
    ParseTextFormatInto(text, file_name, &spec, warnings, places, problems);
    ApplyOverridesInto(overrides, &spec, places, problems);
    if (warn != nullptr) warn(spec, *places, warnings);
    return spec;
  }
};

}  // namespace trainyard::spec::internal
