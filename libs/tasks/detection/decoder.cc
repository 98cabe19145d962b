#include "libs/tasks/detection/decoder.h"

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"

namespace trainyard::tasks {

absl::StatusOr<const Decoder*> DecoderOf(const Head& head) {
  const auto* decoder = dynamic_cast<const Decoder*>(&head);
  if (decoder == nullptr) return absl::InternalError("the network's head finds no boxes");
  return decoder;
}

absl::StatusOr<std::vector<std::vector<data::Detection>>> DecodeBatch(
    const Decoder& decoder, absl::Span<const Tensor> outputs, size_t images) {
  TY_ASSIGN_OR_RETURN(std::vector<std::vector<data::Detection>> found, decoder.Decode(outputs));
  if (found.size() == images) return found;
  return absl::InternalError(
      absl::StrCat("the decoder returned ", found.size(), " images; expected ", images));
}

void ScaleToImage(std::vector<data::Detection>& detections, data::ImageSize size) {
  const auto w = static_cast<float>(size.width), h = static_cast<float>(size.height);
  for (data::Detection& one : detections) {
    one.box = {one.box.x1 * w, one.box.y1 * h, one.box.x2 * w, one.box.y2 * h};
  }
}

}  // namespace trainyard::tasks
