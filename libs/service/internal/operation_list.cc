#include "libs/service/internal/operation_list.h"

#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/base/digest.h"
#include "libs/base/status.h"
#include "libs/service/page.h"

namespace trainyard::service {
namespace {

constexpr auto kAny = v1::OperationMetadata::STATE_UNSPECIFIED;

absl::Status ReadFilter(const std::string& text, OperationStore::Query* query) {
  if (text.empty()) return absl::OkStatus();
  for (absl::string_view term : absl::StrSplit(text, " AND ")) {
    const std::vector<std::string> sides = absl::StrSplit(term, absl::MaxSplits('=', 1));
    const std::string name(absl::StripAsciiWhitespace(sides[0]));
    const std::string value(sides.size() == 2 ? absl::StripAsciiWhitespace(sides[1]) : "");
    // Each once: of two states the last would win without a word.
    const bool stage = name == "stage" && query->stage.empty() && !value.empty();
    const bool state = name == "state" && query->state == kAny &&
                       v1::OperationMetadata::State_Parse(value, &query->state) && query->state != kAny;
    if (stage) query->stage = value;
    if (!stage && !state) {
      return absl::InvalidArgumentError(absl::StrCat(
          "filter '", text, "': '", term,
          "' is not understood; expected stage=NAME, state=NAME, each once, joined by AND"));
    }
  }
  return absl::OkStatus();
}

// The first part of a token: it is refused for another list.
std::string MarkOf(const std::string& arguments) { return Sha256Hex(arguments).substr(0, 16); }

absl::Status ReadPageToken(const std::string& token, const std::string& arguments,
                           OperationStore::Query* query) {
  if (token.empty()) return absl::OkStatus();
  std::string plain;
  std::vector<std::string> parts;
  if (absl::WebSafeBase64Unescape(token, &plain)) parts = absl::StrSplit(plain, ':');
  if (parts.size() != 3 || parts[0] != MarkOf(arguments) ||
      !absl::SimpleAtoi(parts[1], &query->before_create_us)) {
    return absl::InvalidArgumentError(
        "page_token is not one that this list gave for the same name and filter");
  }
  query->before_id = parts[2];
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ListPage> ReadListRequest(const google::longrunning::ListOperationsRequest& request,
                                         const std::string& service, const std::string& replica) {
  if (request.page_size() < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("page_size is ", request.page_size(), "; expected at least 0"));
  }
  const std::string all = absl::StrCat("operations/", service);
  const std::string own = absl::StrCat(all, "/", replica);
  const std::string& parent = request.name();
  if (!parent.empty() && parent != "operations" && parent != all && parent != own) {
    return absl::InvalidArgumentError(
        absl::StrCat("name is '", parent, "'; expected '", own, "' or ''"));
  }
  ListPage page;
  page.arguments = absl::StrCat(parent, "\n", request.filter());
  page.size = PageSize(request.page_size());
  page.query.limit = page.size + 1;
  TY_RETURN_IF_ERROR(ReadFilter(request.filter(), &page.query));
  TY_RETURN_IF_ERROR(ReadPageToken(request.page_token(), page.arguments, &page.query));
  return page;
}

std::string PageTokenAfter(const OperationRow& last, const ListPage& page) {
  return absl::WebSafeBase64Escape(
      absl::StrCat(MarkOf(page.arguments), ":", last.create_us, ":", last.id));
}

}  // namespace trainyard::service
