#include "libs/base/expression.h"

#include <cmath>
#include <cstddef>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/status.h"

namespace trainyard {
namespace {

constexpr size_t kMaxLetters = 65536;
constexpr int kMaxDepth = 32;

// Recursive descent, one function a level of precedence:
//   tuple = sum {"," sum}   sum = product {("+"|"-") product}   product = sign {("*"|"/") sign}
//   sign = ("+"|"-") sign | power   power = atom ["**" sign]   atom = number | "(" ")" | "[" "]"
class Parser {
 public:
  explicit Parser(absl::string_view text) : text_(text) {}

  absl::StatusOr<ExpressionValue> Parse() {
    if (text_.size() > kMaxLetters) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "an expression has %d letters; expected at most %d", text_.size(), kMaxLetters));
    }
    TY_ASSIGN_OR_RETURN(ExpressionValue value, Sum());
    if (Peek() == ',') {
      TY_ASSIGN_OR_RETURN(value, Items(std::move(value), '\0'));
    }
    if (!AtEnd()) return Unexpected("an operator or the end");
    return value;
  }

 private:
  using Result = absl::StatusOr<ExpressionValue>;

  void SkipSpace() {
    while (at_ < text_.size() && absl::ascii_isspace(text_[at_])) ++at_;
  }
  bool AtEnd() {
    SkipSpace();
    return at_ == text_.size();
  }
  // The next letter after white space; '\0' at the end.
  char Peek() { return AtEnd() ? '\0' : text_[at_]; }
  bool Accept(absl::string_view symbol) {
    SkipSpace();
    if (text_.substr(at_, symbol.size()) != symbol) return false;
    at_ += symbol.size();
    return true;
  }
  int Column() {
    SkipSpace();
    return static_cast<int>(at_) + 1;
  }

  static absl::Status ErrorAt(int column, absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat("column ", column, ": ", what));
  }
  absl::Status Unexpected(absl::string_view expected) {
    if (AtEnd()) return ErrorAt(Column(), absl::StrCat("the text ends; expected ", expected));
    return ErrorAt(Column(),
                   absl::StrCat("found '", text_.substr(at_, 1), "'; expected ", expected));
  }

  // Joins two numbers; `operation` is one of + - * / and ^ for **.
  static Result Combine(const ExpressionValue& a, char operation, const ExpressionValue& b,
                        int column) {
    if (a.is_list || b.is_list) return ErrorAt(column, "a list stands where a number was expected");
    double value = 0;
    switch (operation) {
      case '+':
        value = a.number + b.number;
        break;
      case '-':
        value = a.number - b.number;
        break;
      case '*':
        value = a.number * b.number;
        break;
      case '/':
        if (b.number == 0) return ErrorAt(column, "divides by zero");
        value = a.number / b.number;
        break;
      default:
        value = std::pow(a.number, b.number);
        break;
    }
    if (!std::isfinite(value)) return ErrorAt(column, "the result is not a finite number");
    return ExpressionValue{.number = value, .column = a.column};
  }

  Result Sum() {
    TY_ASSIGN_OR_RETURN(ExpressionValue value, Product());
    while (Peek() == '+' || Peek() == '-') {
      const int column = Column();
      const char operation = text_[at_++];
      TY_ASSIGN_OR_RETURN(const ExpressionValue right, Product());
      TY_ASSIGN_OR_RETURN(value, Combine(value, operation, right, column));
    }
    return value;
  }

  Result Product() {
    TY_ASSIGN_OR_RETURN(ExpressionValue value, Sign());
    while (Peek() == '*' || Peek() == '/') {
      const int column = Column();
      const char operation = text_[at_++];
      TY_ASSIGN_OR_RETURN(const ExpressionValue right, Sign());
      TY_ASSIGN_OR_RETURN(value, Combine(value, operation, right, column));
    }
    return value;
  }

  Result Sign() {
    const int column = Column();
    if (Peek() != '+' && Peek() != '-') return Power();
    const double sign = text_[at_++] == '-' ? -1 : 1;
    const Nesting nesting(this);
    if (depth_ > kMaxDepth) return TooDeep(column);
    TY_ASSIGN_OR_RETURN(const ExpressionValue value, Sign());
    return Combine({.number = sign, .column = column}, '*', value, column);
  }

  Result Power() {
    TY_ASSIGN_OR_RETURN(const ExpressionValue base, Atom());
    const int column = Column();
    if (!Accept("**")) return base;
    const Nesting nesting(this);
    if (depth_ > kMaxDepth) return TooDeep(column);
    TY_ASSIGN_OR_RETURN(const ExpressionValue exponent, Sign());
    return Combine(base, '^', exponent, column);
  }

  Result Atom() {
    const int column = Column();
    const char next = Peek();
    if (absl::ascii_isdigit(next) || next == '.') return Number();
    if (next != '[' && next != '(') return Unexpected("a number, '[' or '('");
    const Nesting nesting(this);
    if (depth_ > kMaxDepth) return TooDeep(column);
    ++at_;
    const char close = next == '[' ? ']' : ')';
    ExpressionValue list{.is_list = true, .column = column};
    if (Accept({&close, 1})) return list;
    TY_ASSIGN_OR_RETURN(ExpressionValue first, Sum());
    if (close == ')' && Peek() != ',') {
      if (!Accept(")")) return Unexpected("')', ',' or an operator");
      first.column = column;
      return first;
    }
    TY_ASSIGN_OR_RETURN(list, Items(std::move(first), close));
    list.column = column;
    return list;
  }

  // The rest of a list whose first value was read, with its closing bracket; '\0': up to the end.
  Result Items(ExpressionValue first, char close) {
    ExpressionValue list{.is_list = true, .column = first.column};
    list.items.push_back(std::move(first));
    while (Accept(",")) {
      if (Peek() == close) break;
      TY_ASSIGN_OR_RETURN(ExpressionValue item, Sum());
      list.items.push_back(std::move(item));
    }
    if (close != '\0' && !Accept({&close, 1})) {
      return Unexpected(absl::StrCat("'", std::string(1, close), "', ',' or an operator"));
    }
    return list;
  }

  Result Number() {
    const int column = Column();
    const size_t begin = at_;
    const auto digits = [this] {
      while (at_ < text_.size() && absl::ascii_isdigit(text_[at_])) ++at_;
    };
    digits();
    if (at_ < text_.size() && text_[at_] == '.') ++at_;
    digits();
    if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
      ++at_;
      if (at_ < text_.size() && (text_[at_] == '+' || text_[at_] == '-')) ++at_;
      digits();
    }
    const absl::string_view literal = text_.substr(begin, at_ - begin);
    double value = 0;
    const bool follows_letter = at_ < text_.size() && (absl::ascii_isalnum(text_[at_]) ||
                                                       text_[at_] == '_' || text_[at_] == '.');
    if (follows_letter || !absl::SimpleAtod(literal, &value)) {
      return ErrorAt(column, absl::StrCat("'", text_.substr(begin, at_ - begin + follows_letter),
                                          "' is not a number"));
    }
    if (!std::isfinite(value)) return ErrorAt(column, "the number is not finite");
    return ExpressionValue{.number = value, .column = column};
  }

  static absl::Status TooDeep(int column) {
    return ErrorAt(column, absl::StrCat("more than ", kMaxDepth, " levels"));
  }

  struct Nesting {
    explicit Nesting(Parser* parser) : parser(parser) { ++parser->depth_; }
    ~Nesting() { --parser->depth_; }
    Parser* parser;
  };

  absl::string_view text_;
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

absl::StatusOr<ExpressionValue> ParseExpression(absl::string_view text) {
  return Parser(text).Parse();
}

}  // namespace trainyard
