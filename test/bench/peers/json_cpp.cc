/*
 * protobuf C++: JsonStringToMessage and MessageToJsonString with generated classes.
 */
#include <google/protobuf/util/json_util.h>

#include <string>

#include "lotcast/v1/dashboard.pb.h"
#include "lotcast/v1/inventory.pb.h"
#include "test/bench/peers/json_peer.h"

using google::protobuf::DescriptorPool;
using google::protobuf::Message;
using google::protobuf::MessageFactory;
namespace util = google::protobuf::util;

namespace {

struct Opened {
    Message *message;
    std::string text;
};

void *open_message(const char *type, const void *packed, size_t len)
{
    const auto *descriptor = DescriptorPool::generated_pool()->FindMessageTypeByName(type);
    if (descriptor == nullptr)
        return nullptr;
    auto *message = MessageFactory::generated_factory()->GetPrototype(descriptor)->New();
    if (!message->ParseFromArray(packed, static_cast<int>(len)))
        return nullptr;
    return new Opened{message, ""};
}

bool print(void *opened, const char **ret_text, size_t *ret_len)
{
    auto *self = static_cast<Opened *>(opened);
    util::JsonPrintOptions options;
    options.always_print_primitive_fields = true;
    self->text.clear();
    if (!util::MessageToJsonString(*self->message, &self->text, options).ok())
        return false;
    *ret_text = self->text.data();
    *ret_len = self->text.size();
    return true;
}

bool parse(void *opened, const char *text, size_t len)
{
    auto *self = static_cast<Opened *>(opened);
    return util::JsonStringToMessage({text, static_cast<std::ptrdiff_t>(len)}, self->message).ok();
}

bool equal(const void *opened, const void *packed, size_t len)
{
    const auto *self = static_cast<const Opened *>(opened);
    return self->message->SerializeAsString() ==
           std::string(static_cast<const char *>(packed), len);
}

} // namespace

extern "C" const struct json_peer json_peer;
extern "C" const struct json_peer json_peer = {"protobuf C++", open_message, print, parse, equal};
