#include "libs/networks/ssd/ssd_fit.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/networks/fit_rules.h"
#include "libs/networks/ssd/ssd_fit_rules.h"

namespace trainyard::networks {
namespace {

using worker::v1::DataProfile;

constexpr const SsdFitRules& kRules = kSsdFitRules;

double Median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

int RoundedUp(double value, int step) {
  return static_cast<int>(std::ceil(value / step - 1e-9)) * step;
}

// The profile in the units of the rules.
class Objects {
 public:
  explicit Objects(const DataProfile& profile)
      : profile_(profile),
        width_(std::max(1, profile.picture_width())),
        height_(std::max(1, profile.picture_height())) {}

  int size() const {
    return std::min({profile_.object_widths_size(), profile_.object_heights_size(),
                     profile_.object_classes_size()});
  }
  double shorter_side() const { return std::min(width_, height_); }
  bool is_wide() const { return width_ >= height_; }
  /// The longer side over the shorter one.
  double aspect() const { return std::max(width_, height_) / shorter_side(); }

  /// The class with the smallest objects and the median side of those, in shorter sides of the picture.
  std::pair<std::string, double> Smallest() const {
    std::map<int, std::vector<double>> sides;
    for (int i = 0; i < size(); ++i) {
      sides[profile_.object_classes(i)].push_back(
          std::sqrt(profile_.object_widths(i) * width_ * profile_.object_heights(i) * height_) /
          shorter_side());
    }
    std::pair<std::string, double> smallest{"", 1e9};
    for (auto& [index, values] : sides) {
      const double side = Median(std::move(values));
      if (side < smallest.second && index >= 0 && index < profile_.classes_size()) {
        smallest = {profile_.classes(index).name(), side};
      }
    }
    return smallest;
  }

  /// In pixels of an input of this size; each class counts the same, as it does in the mean.
  std::vector<data::BoxShape> At(int width, int height) const {
    std::map<int, double> counts;
    for (int i = 0; i < size(); ++i) ++counts[profile_.object_classes(i)];
    std::vector<data::BoxShape> shapes;
    for (int i = 0; i < size(); ++i) {
      const data::BoxShape shape{profile_.object_widths(i) * width,
                                 profile_.object_heights(i) * height,
                                 1 / counts[profile_.object_classes(i)]};
      if (shape.width > 0 && shape.height > 0 && std::isfinite(shape.width * shape.height)) {
        shapes.push_back(shape);
      }
    }
    return shapes;
  }

 private:
  const DataProfile& profile_;
  double width_, height_;
};

class Chooser {
 public:
  Chooser(const DataProfile& profile, const FitLimits& limits, std::vector<FitChoice>* choices,
          std::vector<std::string>* warnings)
      : profile_(profile), limits_(limits), objects_(profile), choices_(choices), warnings_(warnings) {}

  absl::StatusOr<SsdFit> Run() {
    TY_RETURN_IF_ERROR(Check());
    ChooseTime();
    ChooseInput();
    ChooseShapesOfBoxes();
    ChooseBatch();
    ChooseEpochs();
    ChooseRate();
    ChooseAugmentation();
    return std::move(fit_);
  }

 private:
  absl::Status Check() {
    Problems problems;
    if (profile_.training().pictures() < 1) problems.Add("the data", "have no training picture");
    if (profile_.classes().empty()) problems.Add("the data", "have no class");
    if (objects_.At(100, 100).empty()) problems.Add("the data", "have no object to train on");
    if (!(limits_.minutes > 0 && std::isfinite(limits_.minutes))) {
      problems.Add("minutes", "is %g; expected a number above 0", limits_.minutes);
    }
    if (!(limits_.remove >= 0 && limits_.remove < 1)) {
      problems.Add("remove", "is %g; expected a number in [0, 1)", limits_.remove);
    }
    if (!limits_.start_arch.empty() && StartBackbone() == nullptr) {
      problems.Add("start", "has the backbone '%s'; expected resnet10 or resnet18",
                   limits_.start_arch);
    }
    return problems.ToStatus();
  }

  // Null when there is none.
  const SsdFitBackbone* StartBackbone() const {
    for (const SsdFitBackbone& one : kRules.backbones) {
      if (limits_.start_arch == absl::StrCat("resnet", one.depth)) return &one;
    }
    return nullptr;
  }

  void Say(const std::string& what, std::string value, std::string reason) {
    choices_->push_back({what, std::move(value), std::move(reason)});
  }

  void ChooseTime() {
    const double all = limits_.minutes * 60;
    seconds_ = std::max(0.0, all * (1 - kFitRules.reserve_share) - kFitRules.reserve_seconds);
    const bool measured = limits_.macs_per_second > 0;
    macs_per_second_ = measured            ? limits_.macs_per_second
                       : limits_.has_gpu   ? kFitRules.macs_per_second_of_a_gpu
                                           : kFitRules.macs_per_second_of_a_thread * limits_.threads;
    Say("training time", absl::StrFormat("%.1f of %.1f min", seconds_ / 60, limits_.minutes),
        absl::StrFormat("%.0f s and %.0f %% of the time are for export, engines and evaluations; a "
                        "training does %.3g GMAC/s here (%s)",
                        kFitRules.reserve_seconds, 100 * kFitRules.reserve_share,
                        macs_per_second_ / 1e9, measured ? "measured" : "not measured yet"));
  }

  // Pictures that can be trained on in the time.
  double Affordable(double macs) const { return seconds_ * macs_per_second_ / macs; }

  // The input whose shorter side is `side`.
  void SetInput(int side, const SsdFitBackbone& backbone) {
    const double aspect = std::min(objects_.aspect(), kRules.most_aspect);
    // The nearest multiple: rounding up would stretch.
    const int longer = std::max(
        side, static_cast<int>(std::lround(side * aspect / kRules.side_step)) * kRules.side_step);
    fit_.width = objects_.is_wide() ? longer : side;
    fit_.height = objects_.is_wide() ? side : longer;
    fit_.depth = backbone.depth;
    fit_.macs_per_picture = backbone.macs_per_pixel * fit_.width * fit_.height;
  }

  void ChooseInput() {
    const auto [name, side] = objects_.Smallest();
    const double least = kRules.least_side;
    // More pixels than the pictures have show nothing new.
    const double most = std::max(least, std::min<double>(kRules.most_side, objects_.shorter_side()));
    const int wanted = std::max(
        kRules.least_side, RoundedUp(std::min(kRules.object_side / side, most), kRules.side_step));
    const SsdFitBackbone* start = StartBackbone();
    const SsdFitBackbone& smallest = start != nullptr ? *start : kRules.backbones[0];
    int taken = wanted;
    SetInput(taken, smallest);
    while (taken > kRules.least_side && Affordable(fit_.macs_per_picture) < kRules.least_seen) {
      SetInput(taken -= kRules.side_step, smallest);
    }
    if (start == nullptr) {
      for (const SsdFitBackbone& larger : kRules.backbones) {
        const SsdFit before = fit_;
        SetInput(taken, larger);
        if (Affordable(fit_.macs_per_picture) < larger.least_seen) fit_ = before;
      }
    }
    side_ = side * taken;
    Say("input", absl::StrFormat("%dx%d", fit_.width, fit_.height),
        absl::StrFormat(
            "objects of '%s', the smallest, are %.1f px long there; %.0f px want a shorter side of %d, "
            "and %d pictures in the time %s it; pictures are %dx%d",
            name, side_, kRules.object_side, wanted, static_cast<int>(kRules.least_seen),
            taken == wanted ? "allow" : "do not allow", profile_.picture_width(),
            profile_.picture_height()));
    Say("backbone", absl::StrCat("resnet", fit_.depth),
        start != nullptr
            ? std::string("that of the model to start from")
            : absl::StrFormat("%.0f pictures can be seen with it in the time; the larger one wants %.0f",
                              Affordable(fit_.macs_per_picture), kRules.backbones[1].least_seen));
    if (side_ < kRules.least_zoomed_side) {
      warnings_->push_back(absl::StrFormat(
          "objects of '%s' are %.1f px long at the input, which is little to learn from; more --minutes "
          "allow a larger one",
          name, side_));
    }
  }

  void ChooseShapesOfBoxes() {
    const std::vector<data::BoxShape> shapes = objects_.At(fit_.width, fit_.height);
    const double side = std::min(fit_.width, fit_.height);
    fit_.shapes = ChooseShapes(shapes, side, limits_.random_seed);
    Say("scales", ScalesText(fit_.shapes),
        absl::StrFormat("objects overlap the nearest default box by %.2f on average (IoU, classes "
                        "alike); by %.2f with TAO's usual ones",
                        FitOf(fit_.shapes, shapes, side), FitOf(UsualShapes(), shapes, side)));
    Say("aspect_ratios", RatiosText(fit_.shapes),
        absl::StrFormat("of %d clusters of the objects' shapes", kRules.clusters));
  }

  int64_t StepsOf(int batch) const {
    return (profile_.training().pictures() + batch - 1) / batch;
  }

  void ChooseBatch() {
    int batch = limits_.has_gpu ? kRules.gpu_batch : kRules.cpu_batch;
    while (batch > kRules.small_batch && StepsOf(batch) < kRules.least_steps) batch /= 2;
    fit_.batch_size = batch;
    Say("batch size", absl::StrCat(batch),
        absl::StrFormat("%d training pictures make %d steps an epoch", profile_.training().pictures(),
                        StepsOf(batch)));
  }

  // Epochs of a training that may take so long.
  int EpochsIn(double seconds) const {
    const double rate = macs_per_second_ / fit_.macs_per_picture;
    const double validations = kFitRules.validations * kFitRules.validation_cost *
                               static_cast<double>(profile_.validation().pictures()) / rate;
    const double pictures = static_cast<double>(StepsOf(fit_.batch_size) * fit_.batch_size);
    const double epochs = std::floor(std::max(0.0, seconds - validations) * rate / pictures);
    const double most = std::min<double>(kRules.most_epochs, std::ceil(kRules.most_seen / pictures));
    return static_cast<int>(std::clamp(epochs, 1.0, most));
  }

  void ChooseEpochs() {
    const double retraining = limits_.remove > 0 ? seconds_ * kFitRules.retrain_share : 0;
    fit_.epochs = EpochsIn(seconds_ - retraining);
    // A pruned network is faster, by how much is not known before.
    if (limits_.remove > 0) fit_.retrain_epochs = std::min(EpochsIn(retraining), fit_.epochs);
    fit_.validation_period = std::max(1, fit_.epochs / kFitRules.validations);
    const double rate = macs_per_second_ / fit_.macs_per_picture;
    const double seen = static_cast<double>(fit_.epochs) *
                        static_cast<double>(StepsOf(fit_.batch_size) * fit_.batch_size);
    Say("epochs", absl::StrCat(fit_.epochs),
        absl::StrFormat("%.1f pictures a second fill %.1f min with %.0f pictures; at most %d epochs or "
                        "%.0f pictures",
                        rate, (seconds_ - retraining) / 60, seen, kRules.most_epochs,
                        kRules.most_seen));
    if (fit_.retrain_epochs > 0) {
      Say("retraining", absl::StrCat(fit_.retrain_epochs, " epochs"),
          absl::StrFormat("%.0f %% of the training time, behind the removal of %.0f %% of the weights",
                          100 * kFitRules.retrain_share, 100 * limits_.remove));
    }
    if (seen / rate > 1.2 * seconds_) {
      warnings_->push_back(absl::StrFormat("one epoch takes %.1f min, which is more than there is time for",
                                           seen / rate / 60));
    } else if (seen < kRules.least_seen / 2 && fit_.epochs < kRules.most_epochs) {
      warnings_->push_back(absl::StrFormat(
          "%.0f pictures are few to train on in all; more --minutes give a better model", seen));
    }
  }

  void ChooseRate() {
    fit_.max_rate = kRules.rates[0].max_rate;
    for (const SsdFitRate& rate : kRules.rates) {
      if (rate.batch_size <= fit_.batch_size) fit_.max_rate = rate.max_rate;
    }
    const bool starts = !limits_.start_model.empty();
    if (starts) fit_.max_rate *= kRules.start_rate;
    const double steps = static_cast<double>(fit_.epochs) *
                         static_cast<double>(StepsOf(fit_.batch_size));
    fit_.soft_start =
        std::clamp(kRules.warmup_steps / steps, kRules.least_warmup, kRules.most_warmup);
    // Three digits in the spec.
    fit_.soft_start = std::ceil(1000 * fit_.soft_start) / 1000;
    Say("learning rate", absl::StrFormat("%g", fit_.max_rate),
        absl::StrFormat("safe for batches of %d%s; it rises over the first %.0f of %.0f steps and falls "
                        "from %.0f %% of the training on",
                        fit_.batch_size, starts ? ", less for a start that is good already" : "",
                        fit_.soft_start * steps, steps, 100 * kRules.annealing));
  }

  void ChooseAugmentation() {
    const bool is_small = side_ < kRules.object_side;
    fit_.crop_min_scale = is_small ? kRules.crop_of_small : kRules.crop_of_large;
    fit_.zoom_out_max_scale =
        std::clamp(side_ / kRules.least_zoomed_side, 1.0, kRules.most_zoom_out);
    // Two digits in the spec.
    fit_.zoom_out_max_scale = std::floor(100 * fit_.zoom_out_max_scale) / 100;
    fit_.changes_colours = !profile_.is_grey();
    Say("augmentation",
        absl::StrFormat("crops from %g, zoom out to %g%s", fit_.crop_min_scale,
                        fit_.zoom_out_max_scale, fit_.changes_colours ? "" : ", no colours"),
        absl::StrFormat("%s; zoomed out, objects stay %.0f px long%s",
                        is_small ? "small objects are magnified by crops"
                                 : "objects are large enough without magnifying crops",
                        kRules.least_zoomed_side,
                        fit_.changes_colours ? "" : "; the pictures are grey"));
  }

  const DataProfile& profile_;
  const FitLimits& limits_;
  Objects objects_;
  std::vector<FitChoice>* choices_;
  std::vector<std::string>* warnings_;
  SsdFit fit_;
  double seconds_ = 0, macs_per_second_ = 0;
  // Of the typical small object at the input, in pixels.
  double side_ = 0;
};

}  // namespace

absl::StatusOr<SsdFit> ChooseSsdFit(const DataProfile& profile, const FitLimits& limits,
                                    std::vector<FitChoice>* choices,
                                    std::vector<std::string>* warnings) {
  return Chooser(profile, limits, choices, warnings).Run();
}

}  // namespace trainyard::networks
