#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace trainyard {

/// What an expression stands for: a number, or a list of values.
struct ExpressionValue {
  bool is_list = false;
  /// When it is no list. Finite.
  double number = 0;
  /// When it is a list; tuples are lists.
  std::vector<ExpressionValue> items;
  /// Where it begins in the text; 1-based.
  int column = 1;
};

/// Evaluates the Python-like expressions that TAO's spec files hold in texts, such as
/// "[[1.0, 2.0, 1.0/3.0], (8, 16)]".
///
/// Lists and tuples (a trailing comma is allowed; without brackets "1, 2" is a tuple, "(1)" a
/// number), integers and floats, + and - as signs, + - * / ** between numbers with Python's
/// precedence
/// (-2**2 is -4, 2**-1 is 0.5, 7/2 is 3.5), parentheses, white space. Nothing else: no names, no
/// calls. All arithmetic is in double. A pure function.
///
/// Fails with kInvalidArgument naming the column, what is there and what was expected: syntax
/// errors, arithmetic with a list, a division by zero, a result that is not finite, more than 32
/// levels, more than 65,536 letters, an empty text.
absl::StatusOr<ExpressionValue> ParseExpression(absl::string_view text);

}  // namespace trainyard
