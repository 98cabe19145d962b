#include "libs/data/batch_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "libs/base/status.h"
#include "libs/data/preprocess.h"

namespace trainyard {

BatchReader::BatchReader(int64_t count, const Options& options, model::v1::Preprocess preprocess,
                         Read read)
    : count_(count),
      options_(options),
      preprocess_(std::move(preprocess)),
      read_(std::move(read)),
      window_(2 * int64_t{options.batch_size} + options.threads),
      limit_(options.runs_ahead ? count : 0),
      slots_(window_) {
  for (int i = 0; i < options.threads; ++i) threads_.emplace_back([this] { Work(); });
}

BatchReader::~BatchReader() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  room_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void BatchReader::Work() {
  std::unique_lock lock(mutex_);
  while (true) {
    room_.wait(lock, [this] {
      return stopping_ || next_to_read_ >= count_ ||
             next_to_read_ < std::min(limit_, next_to_give_ + window_);
    });
    if (stopping_ || next_to_read_ >= count_) return;
    const int64_t index = next_to_read_++;
    lock.unlock();
    Image image = MakeImage(index);
    lock.lock();
    slots_[index % window_] = std::move(image);
    ready_.notify_one();
  }
}

BatchReader::Image BatchReader::MakeImage(int64_t index) const {
  Image image;
  image.sample = read_(index);
  if (!image.sample.ok()) return image;
  image.input = Tensor::Zeros(DType::kFloat32,
                              {ChannelsOf(preprocess_), preprocess_.height(), preprocess_.width()});
  const Tensor& picture = image.sample->image;
  const absl::Status status = PreprocessImage(picture, preprocess_, image.input.data<float>());
  if (!status.ok()) {
    image.sample = Annotate(status, image.sample->id);
    return image;
  }
  image.size = {.width = picture.dim(1), .height = picture.dim(0)};
  if (!options_.keep_images) image.sample->image = Tensor();
  return image;
}

std::optional<InputBatch> BatchReader::Next() {
  if (next_to_give_ >= count_) return std::nullopt;
  const int64_t end = std::min(count_, next_to_give_ + options_.batch_size);
  if (!options_.runs_ahead) {
    const std::lock_guard lock(mutex_);
    limit_ = end;
  }
  room_.notify_all();
  InputBatch batch;
  std::vector<Tensor> inputs;
  for (int64_t index = next_to_give_; index < end; ++index) {
    Image image;
    {
      std::unique_lock lock(mutex_);
      std::optional<Image>& slot = slots_[index % window_];
      ready_.wait(lock, [&] { return slot.has_value(); });
      image = *std::move(slot);
      slot.reset();
      next_to_give_ = index + 1;
    }
    room_.notify_all();
    if (!image.sample.ok()) {
      batch.skipped.push_back(image.sample.status());
      continue;
    }
    batch.samples.push_back(*std::move(image.sample));
    batch.sizes.push_back(image.size);
    batch.indices.push_back(index);
    inputs.push_back(std::move(image.input));
  }
  if (inputs.empty()) return batch;
  Shape shape = inputs[0].shape();
  shape.insert(shape.begin(), static_cast<int64_t>(inputs.size()));
  batch.input = Tensor::Zeros(DType::kFloat32, std::move(shape));
  auto* out = static_cast<char*>(batch.input.raw());
  for (size_t i = 0; i < inputs.size(); ++i) {
    std::memcpy(out + i * inputs[i].size_bytes(), inputs[i].raw(), inputs[i].size_bytes());
  }
  return batch;
}

}  // namespace trainyard
