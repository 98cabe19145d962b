#pragma once

#include <vector>

#include "trainyard/model/v1/model_record.pb.h"

namespace trainyard::testing {

/// An SSD head for a width x height input with maps of these sizes (rows, columns), TAO's scales,
/// ratios [1, 2, 1/2] or [1, 2, 1/2, 3, 1/3] (4 or 6 boxes), uniform steps, offsets of a half.
inline model::v1::SsdHead MakeHead(int width, int height, std::vector<std::pair<int, int>> sizes,
                                   std::vector<int> boxes = {4, 6, 6, 6, 4, 4}) {
  static constexpr double kScales[] = {0.07, 0.15, 0.33, 0.51, 0.69, 0.87, 1.05};
  model::v1::SsdHead head;
  for (size_t i = 0; i < sizes.size(); ++i) {
    auto* map = head.add_maps();
    map->set_height(sizes[i].first);
    map->set_width(sizes[i].second);
    for (const double ratio : {1.0, 2.0, 0.5}) map->add_aspect_ratios(ratio);
    if (boxes[i] == 6) {
      map->add_aspect_ratios(3.0);
      map->add_aspect_ratios(1.0 / 3.0);
    }
    map->set_scale(kScales[i]);
    map->set_next_scale(kScales[i + 1]);
    map->set_step_y(static_cast<double>(height) / sizes[i].first);
    map->set_step_x(static_cast<double>(width) / sizes[i].second);
    map->set_offset_y(0.5);
    map->set_offset_x(0.5);
  }
  head.set_two_boxes_for_ar1(true);
  for (const double variance : {0.1, 0.1, 0.2, 0.2}) head.add_variances(variance);
  head.set_confidence_output("mbox_conf");
  head.set_location_output("mbox_loc");
  head.set_confidence_threshold(0.01f);
  head.set_nms_iou_threshold(0.5f);
  head.set_top_k(200);
  return head;
}

/// SSD at 300 x 300: 8744 anchors.
inline model::v1::SsdHead MakeHead300() {
  return MakeHead(300, 300, {{38, 38}, {19, 19}, {10, 10}, {5, 5}, {3, 3}, {2, 2}});
}

}  // namespace trainyard::testing
