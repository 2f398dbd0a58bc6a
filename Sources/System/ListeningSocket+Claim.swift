import Glibc

extension ListeningSocket {
    /// Makes this process the only one that may claim the socket, for as long as it lives. Returns whether it is;
    /// another one that shares the socket may have been there before.
    ///
    /// A record lock belongs to a process and an inode, and a socket that was handed to several processes has one
    /// inode. It goes with the process, however that ends.
    package func claim() throws(SystemCallError) -> Bool {
        var lock = flock()
        lock.l_type = Int16(F_WRLCK)
        lock.l_whence = Int16(SEEK_SET)
        if fcntl(descriptor, F_SETLK, &lock) == 0 { return true }
        guard errno == EAGAIN || errno == EACCES else { throw SystemCallError("fcntl F_SETLK") }
        return false
    }
}
