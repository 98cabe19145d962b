#include "libs/engine/backend.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/problems.h"
#include "libs/engine/openvino/openvino_backend.h"

namespace trainyard {

std::vector<std::string> BackendNames() { return {"openvino"}; }

absl::StatusOr<const Backend*> FindBackend(absl::string_view name) {
  if (name == "openvino") return OpenvinoBackend();
  return absl::NotFoundError(absl::StrCat("there is no engine backend '", name, "'; there is ",
                                          absl::StrJoin(BackendNames(), ", "),
                                          DidYouMean(name, BackendNames())));
}

}  // namespace trainyard
