#include "libs/data/review/frame.h"

#include <utility>

#include "libs/base/files.h"
#include "libs/data/class_map.h"
#include "libs/data/internal/class_name.h"

namespace trainyard::data {

ReviewFrame ReviewFrameOf(const KittiFrame& frame, const std::string& images_shown) {
  ReviewFrame review{.id = JoinPath(images_shown, frame.name),
                     .image_path = frame.image_path,
                     .size = frame.size};
  review.boxes.reserve(frame.labels.objects.size());
  for (const KittiObject& object : frame.labels.objects) {
    std::string key = ClassKey(object.type);
    // KITTI's regions without labels are objects of no class.
    if (key != internal::kDontCareKey) review.boxes.push_back({std::move(key), object.box});
  }
  return review;
}

}  // namespace trainyard::data
