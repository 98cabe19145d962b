#pragma once

#include <cstdint>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace trainyard {

/// Reads a JSON text from its beginning to its end and builds nothing of it, so that a file of
/// hundreds of megabytes costs what its reader keeps. What is written elsewhere: libs/base/json.h.
///
///     JsonReader json(text);
///     TY_RETURN_IF_ERROR(json.Object([&](absl::string_view name) -> absl::Status {
///       if (name != "epochs") return json.Skip();
///       TY_ASSIGN_OR_RETURN(epochs, json.Number());
///       return absl::OkStatus();
///     }));
///     TY_RETURN_IF_ERROR(json.End());
///
/// Each call reads one value. All fail with kInvalidArgument, with line and column, for text that is
/// no JSON, for a value of another kind, and beyond kMaxDepth objects and arrays in each other.
/// `text` must outlive the reader. Not thread-safe.
class JsonReader {
 public:
  static constexpr int kMaxDepth = 64;
  enum class Kind { kObject, kArray, kString, kNumber, kBool, kNull };

  /// A byte order mark in front is passed over.
  explicit JsonReader(absl::string_view text);

  /// What the next value is, which is not read.
  absl::StatusOr<Kind> Next();

  /// Calls `member` for each member, with its name; it must read the value. What it returns ends the
  /// reading. The name holds until the next call of the reader. A name may come twice.
  absl::Status Object(absl::FunctionRef<absl::Status(absl::string_view name)> member);
  /// Calls `element` for each element; it must read it.
  absl::Status Array(absl::FunctionRef<absl::Status()> element);
  /// Escapes are resolved; half a surrogate pair becomes U+FFFD. Other bytes come as they are, be
  /// they UTF-8 or not.
  absl::StatusOr<std::string> String();
  /// A finite number.
  absl::StatusOr<double> Number();
  absl::StatusOr<bool> Bool();
  /// Reads any value. Of what lies inside of objects and arrays only strings and brackets are
  /// checked.
  absl::Status Skip();
  /// OK when only blanks are left.
  absl::Status End();

  /// kInvalidArgument, with the place of the next value in front: "line 3, column 12: ...".
  absl::Status Fail(absl::string_view text);

 private:
  absl::Status FailAt(size_t place, absl::string_view text) const;
  absl::Status Expected(absl::string_view what);
  void SkipBlanks();
  bool Take(char c);
  absl::Status Enter();
  absl::Status Close(char bracket);
  // Reads a string; what it holds is `*found`, a part of the text or `decoded_`.
  absl::Status ReadString(absl::string_view* found);
  absl::Status DecodeRest(size_t begin);
  absl::Status DecodeEscape();
  absl::Status ReadHex(uint32_t* unit);
  absl::Status SkipNested();

  absl::string_view text_;
  size_t at_ = 0;
  int depth_ = 0;
  std::string decoded_;
};

}  // namespace trainyard
