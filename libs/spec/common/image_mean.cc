#include "libs/spec/common/image_mean.h"

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace trainyard::spec::internal {

std::vector<std::string> ImageMeanKeys(int channels) {
  if (channels == 1) return {"l"};
  return {"b", "g", "r"};
}

void CheckImageMean(const ImageMean& mean, const std::string& path, int channels,
                    absl::string_view input, FieldCheck* check) {
  const std::vector<std::string> wanted = ImageMeanKeys(channels);
  const std::string names = absl::StrJoin(wanted, ", ");
  if (mean.empty()) return;
  for (const std::string& key : wanted) {
    if (mean.count(key) == 0) {
      check->Missing(absl::StrCat(path, "[\"", key, "\"]"),
                     absl::StrFormat("all of %s for %s, or no image_mean at all", names, input));
    }
  }
  const std::map<std::string, float> sorted(mean.begin(), mean.end());
  for (const auto& [key, value] : sorted) {
    const std::string entry = absl::StrCat(path, "[\"", key, "\"]");
    const bool other_order = key == "b" || key == "g" || key == "r" || key == "l";
    if (std::count(wanted.begin(), wanted.end(), key) == 0 && !other_order) {
      check->Add(entry, "is no channel; expected %s", names);
    }
    if (!Range{.least = 0, .most = 255}.Holds(value)) {
      check->Add(entry, "is %g; expected a number in [0, 255]", value);
    }
  }
}

void ApplyImageMeanDefault(int channels, ImageMean* mean) {
  if (!mean->empty()) return;
  if (channels == 1) {
    (*mean)["l"] = 117.3786f;
  } else {
    (*mean)["b"] = 103.939f;
    (*mean)["g"] = 116.779f;
    (*mean)["r"] = 123.68f;
  }
}

}  // namespace trainyard::spec::internal
