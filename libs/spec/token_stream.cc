#include "libs/spec/internal/token_stream.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "libs/spec/internal/spec_text.h"

namespace trainyard::spec::internal {
namespace {

using ::google::protobuf::io::Tokenizer;

constexpr size_t kMaxBytes = size_t{1} << 20;

// The tokenizer's messages in the form of ours: lower case, no final dot.
std::string InOurForm(std::string message) {
  if (!message.empty()) message[0] = absl::ascii_tolower(message[0]);
  if (!message.empty() && message.back() == '.') message.pop_back();
  return message;
}

TokenStream::Token EndAt(int line, int column) {
  return {.type = Tokenizer::TYPE_END, .text = "", .line = line, .column = column, .end_column = 0};
}

class ErrorsOf : public google::protobuf::io::ErrorCollector {
 public:
  explicit ErrorsOf(std::vector<TokenStream::Error>* errors) : errors_(errors) {}
  void AddError(int line, int column, const std::string& message) override {
    errors_->push_back({EndAt(line, column), InOurForm(message)});
  }

 private:
  std::vector<TokenStream::Error>* errors_;
};

}  // namespace

TokenStream::TokenStream(absl::string_view text) {
  if (text.size() > kMaxBytes) {
    tokens_.push_back(EndAt(0, 0));
    errors_.push_back({EndAt(0, 0), absl::StrFormat("the text has %d bytes; expected at most %d",
                                                    text.size(), kMaxBytes)});
    return;
  }
  std::vector<TextProblem> letters;
  const std::string readable = ReadableText(text, &letters);
  for (TextProblem& letter : letters) {
    errors_.push_back({EndAt(letter.line, letter.column), std::move(letter.message)});
  }
  ErrorsOf errors(&errors_);
  google::protobuf::io::ArrayInputStream stream(readable.data(), static_cast<int>(readable.size()));
  Tokenizer tokenizer(&stream, &errors);
  tokenizer.set_allow_f_after_float(true);
  tokenizer.set_comment_style(Tokenizer::SH_COMMENT_STYLE);
  tokenizer.set_require_space_after_number(false);
  while (tokenizer.Next()) tokens_.push_back(tokenizer.current());
  tokens_.push_back(tokenizer.current());
}

TokenStream::Token TokenStream::Take() {
  const Token token = Current();
  if (at_ + 1 < tokens_.size()) ++at_;
  return token;
}

bool TokenStream::Sees(absl::string_view symbol) const {
  return Sees(Tokenizer::TYPE_SYMBOL) && Current().text == symbol;
}

bool TokenStream::SeesNext(absl::string_view text) const {
  return tokens_[std::min(at_ + 1, tokens_.size() - 1)].text == text;
}

bool TokenStream::Accept(absl::string_view symbol) {
  if (!Sees(symbol)) return false;
  Take();
  return true;
}

std::string TokenStream::Seen() const {
  constexpr size_t kMostShown = 80;
  if (AtEnd()) return "the end of the text";
  const std::string& text = Current().text;
  if (text.size() <= kMostShown) return absl::StrCat("'", text, "'");
  return absl::StrCat("'", text.substr(0, kMostShown), "...'");
}

void TokenStream::SkipBalanced() {
  int depth = 0;
  while (!AtEnd()) {
    if (SeesBracket()) ++depth;
    if (SeesCloser()) --depth;
    Take();
    if (depth <= 0) return;
  }
}

void TokenStream::SkipValue() {
  const bool colon = Accept(":");
  if (SeesBracket()) {
    SkipBalanced();
  } else if (colon || Sees(Tokenizer::TYPE_STRING)) {
    SkipScalar();
  }
}

void TokenStream::SkipScalar() {
  Accept("-");
  if (Sees(Tokenizer::TYPE_STRING)) {
    while (Sees(Tokenizer::TYPE_STRING)) Take();
  } else if (!AtEnd() && !SeesCloser() && !SeesNext(":") && !SeesNext("{")) {
    Take();
  }
}

void TokenStream::SkipToField() {
  Take();
  while (!AtEnd() && !SeesCloser()) {
    const bool opens = SeesNext(":") || SeesNext("{") || SeesNext("<");
    if (SeesBracket()) {
      SkipBalanced();
    } else if (Sees(Tokenizer::TYPE_IDENTIFIER) && opens) {
      return;
    } else {
      Take();
    }
  }
}

}  // namespace trainyard::spec::internal
