#pragma once

#include <functional>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace trainyard::report {

/// What explains the evaluation of a detector, as HTML: a table of average precision with its
/// intervals, by size of objects, with the best F1 and the calibration error of each class; F1 over
/// the score; precision over the score (reliability); which class is taken for which; and the worst
/// cases with their pictures.
///
/// `json` is a results.json; "" when it holds nothing of this, or is no JSON. What is of another
/// shape than we write is left out. `picture` reads a file beside it; a case whose picture is not
/// there, is no JPEG, or is too large for a page is told without it. Nothing is decoded. Pure, but
/// for `picture`.
std::string EvaluationDetails(
    absl::string_view stage, absl::string_view json,
    const std::function<std::optional<std::string>(const std::string&)>& picture);

}  // namespace trainyard::report
