#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace trainyard::data::internal {

/// Why a label file as a whole is none of KITTI: "is text in UTF-16 ...", "looks like Pascal VOC
/// (XML) ..."; "" when its lines may be looked at.
std::string ForeignFile(absl::string_view bytes);

/// For a line that was refused: what it looks like instead, or what went wrong when it was written,
/// with "; " in front; "" when nothing comes to mind. `columns` are those between blanks.
std::string LineHint(absl::Span<const absl::string_view> columns);

/// Why a line of 16 columns that are all numbers but the first has its box one column to the left:
/// a class name of a word and a number ("bay 2"). "" for a line with a score. `values` are the
/// numbers of the columns, the first one unused.
std::string ShiftedColumns(absl::Span<const absl::string_view> columns,
                           absl::Span<const double> values);

}  // namespace trainyard::data::internal
