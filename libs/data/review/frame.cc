#include "libs/data/review/frame.h"

#include "libs/base/files.h"
#include "libs/data/class_map.h"

namespace trainyard::data {

ReviewFrame ReviewFrameOf(const KittiFrame& frame, const std::string& images_shown) {
  ReviewFrame review{.id = JoinPath(images_shown, frame.name),
                     .image_path = frame.image_path,
                     .size = frame.size};
  review.boxes.reserve(frame.labels.objects.size());
  for (const KittiObject& object : frame.labels.objects) {
    review.boxes.push_back({ClassKey(object.type), object.box});
  }
  return review;
}

}  // namespace trainyard::data
