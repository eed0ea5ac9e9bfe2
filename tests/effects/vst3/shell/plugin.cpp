// A shell: one bundle that holds several plugins. It lends those whose programs lie beside its own, TestTrim and
// TestFault, under one factory. Its class is laid out as VST3 lays out the interface IPluginFactory3.
#include <cstdint>
#include <cstring>
#include <dlfcn.h>
#include <string>

namespace {

using Id = uint8_t[16];
void here() {}

struct Factory {
    virtual int32_t query(const Id id, void** object) = 0;
    virtual uint32_t take() = 0;
    virtual uint32_t leave() = 0;
    virtual int32_t factoryInfo(void* info) = 0;
    virtual int32_t count() = 0;
    virtual int32_t classInfo(int32_t index, void* info) = 0;
    virtual int32_t create(const Id classId, const Id interfaceId, void** object) = 0;
    virtual int32_t classInfo2(int32_t index, void* info) = 0;
    virtual int32_t classInfoUnicode(int32_t index, void* info) = 0;
    virtual int32_t hostContext(void* host) = 0;
};

class Shell : public Factory {
    Factory* parts[2] = {};

public:
    Shell() {
        Dl_info info;
        dladdr(reinterpret_cast<void*>(&here), &info);
        const std::string path = info.dli_fname, folder = path.substr(0, path.rfind('/') + 1);
        const char* const names[2] = {"TestTrim.so", "TestFault.so"};
        for (int i = 0; i < 2; ++i) {
            void* const program = dlopen((folder + names[i]).c_str(), RTLD_NOW | RTLD_LOCAL);
            reinterpret_cast<bool (*)(void*)>(dlsym(program, "ModuleEntry"))(program);
            parts[i] = static_cast<Factory*>(reinterpret_cast<void* (*)()>(dlsym(program, "GetPluginFactory"))());
        }
    }

    Factory& owner(int32_t& index) {
        const int32_t first = parts[0]->count();
        Factory& part = *parts[index < first ? 0 : 1];
        index -= index < first ? 0 : first;
        return part;
    }

    // Whoever asks for another interface asks for a younger factory, which is this one too.
    int32_t query(const Id, void** object) override { return *object = this, 0; }
    uint32_t take() override { return 1; }
    uint32_t leave() override { return 1; }
    int32_t factoryInfo(void* info) override { return parts[0]->factoryInfo(info); }
    int32_t count() override { return parts[0]->count() + parts[1]->count(); }
    int32_t classInfo(int32_t index, void* info) override { return owner(index).classInfo(index, info); }
    int32_t classInfo2(int32_t index, void* info) override { return owner(index).classInfo2(index, info); }
    int32_t classInfoUnicode(int32_t index, void* info) override { return owner(index).classInfoUnicode(index, info); }
    int32_t create(const Id classId, const Id interfaceId, void** object) override {
        const int32_t answer = parts[0]->create(classId, interfaceId, object);
        return answer == 0 ? answer : parts[1]->create(classId, interfaceId, object);
    }
    int32_t hostContext(void* host) override {
        for (Factory* const part : parts)
            part->hostContext(host);
        return 0;
    }
};

} // namespace

extern "C" {
__attribute__((visibility("default"))) bool ModuleEntry(void*) { return true; }
__attribute__((visibility("default"))) bool ModuleExit() { return true; }
__attribute__((visibility("default"))) void* GetPluginFactory() {
    static Shell shell;
    return &shell;
}
}
