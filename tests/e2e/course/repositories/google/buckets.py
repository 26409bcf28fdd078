"""Buckets of the student's own: which names exist, which can exist, and what is read from none."""

from google.cloud import storage

client = storage.Client()


def tried(what):
    try:
        return what()
    except Exception as error:
        return f"{type(error).__name__} {error.code}"


client.get_bucket("lake-of-week-1").blob("a.txt").upload_from_string("a")
client.bucket("lake-of-week-1").copy_blob(client.bucket("lake-of-week-1").blob("a.txt"), client.bucket("copy-of-lake"))
print("made", client.bucket("lake-of-week-1").exists(), client.bucket("copy-of-lake").blob("a.txt").download_as_text())
print("looked up", client.lookup_bucket("no-such-lake"), client.bucket("no-such-lake").exists())
print("read", tried(lambda: list(client.list_blobs("no-such-lake"))))
print("read", tried(lambda: client.bucket("no-such-lake").blob("a.txt").download_as_text()))
for name in ("My_Lake", "goog-lake", "192.168.5.4"):
    print("refused", name, tried(lambda name=name: client.bucket(name).blob("a").upload_from_string("a")))
print("made by hand", tried(lambda: client.create_bucket("Capital")), client.create_bucket("by-hand").name)
