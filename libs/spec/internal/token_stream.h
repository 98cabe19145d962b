#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "google/protobuf/io/tokenizer.h"

namespace trainyard::spec::internal {

/// The tokens of a text in protobuf text format, one after the other, with one to look ahead.
class TokenStream {
 public:
  using Tokenizer = google::protobuf::io::Tokenizer;
  using Token = Tokenizer::Token;
  /// What is wrong below the grammar: a text that does not end, a letter that no token begins with.
  struct Error {
    Token token;
    std::string message;
  };

  /// A text of more than 1 MiB is one error and has no tokens.
  explicit TokenStream(absl::string_view text);
  const std::vector<Error>& errors() const { return errors_; }

  /// At the end: the token TYPE_END, for ever.
  const Token& Current() const { return tokens_[at_]; }
  Token Take();
  /// How many tokens were taken.
  size_t position() const { return at_; }

  bool AtEnd() const { return Sees(Tokenizer::TYPE_END); }
  bool Sees(Tokenizer::TokenType type) const { return Current().type == type; }
  bool Sees(absl::string_view symbol) const;
  bool SeesMessage() const { return Sees("{") || Sees("<"); }
  bool SeesBracket() const { return SeesMessage() || Sees("["); }
  bool SeesCloser() const { return Sees("}") || Sees(">") || Sees("]"); }
  /// Whether `text` is the token after the current one.
  bool SeesNext(absl::string_view text) const;
  /// Takes the symbol if it stands here.
  bool Accept(absl::string_view symbol);
  /// The current token for people: "'x'", or "the end of the text".
  std::string Seen() const;

  // What is skipped after a problem, so that the fields behind it are read.

  /// From an opening bracket to behind its closing one.
  void SkipBalanced();
  /// The value of a field that is not understood, with the colon before it.
  void SkipValue();
  /// A number, a word or adjacent texts; nothing where the next field or a bracket stands.
  void SkipScalar();
  /// To the next thing that looks like a field, or to a closing bracket.
  void SkipToField();

 private:
  std::vector<Token> tokens_;
  std::vector<Error> errors_;
  size_t at_ = 0;
};

}  // namespace trainyard::spec::internal
