package Test::Gate::Nginx;

# Debian's nginx with the module that module/build left; or with the modules of
# Debian's that "modules" names, and not ours.  "under" is a command that runs
# it, and without a master ("single") it is its own worker.

use strict;
use warnings;

use IO::Socket::INET;
use Time::HiRes qw(sleep time);

# Sanitizers print to stderr; whatever of these is in a log is a fault.

my $reports = qr/Sanitizer|runtime error:/;
my $faults = qr/\[alert\]|\[emerg\]|open\ socket\ .*\ left\ in
                |exited\ on\ signal|$reports/x;

sub new {
    my ($class, %o) = @_;

    my $self = bless { %o, owner => $$ }, $class;
    $self->{dir} = $self->{test}->dir;
    $self->{log} = "$self->{dir}/$self->{name}.error.log";
    $self->{pidfile} = "$self->{dir}/$self->{name}.pid";

    # by its path: that is how nginx finds itself for an upgrade

    ($self->{binary}) = $ENV{TEST_NGINX} // grep { -x } map { "$_/nginx" }
                                            split /:/, $ENV{PATH};

    return $self;
}

sub write_conf {
    my ($self, $conf) = @_;

    my $dir = $self->{dir};
    my @modules = $self->{modules}
                  ? map { "/usr/lib/nginx/modules/$_.so" } @{ $self->{modules} }
                  : $ENV{TEST_NGINX_STATIC} ? () : $self->{test}->module;
    my $module = join '', map { "load_module  $_;
" } @modules;
    my $user = $> == 0 ? 'user  ' . ($self->{user} // 'root') . ";\n" : '';

    $conf =~ s/^(http \{)/$1
    client_body_temp_path  $dir\/temp;
    proxy_temp_path        $dir\/temp;
    fastcgi_temp_path      $dir\/temp;
    uwsgi_temp_path        $dir\/temp;
    scgi_temp_path         $dir\/temp;
/m;

    # who waits for Redis that long does not care for how long

    my $timeout = 5 * patience() . 's';

    $conf =~ s/^(\s*gate_redis\ \{(?!.*connect_timeout).*\btimeout)\ 5s;
              /$1 $timeout; connect_timeout $timeout;/mgx if patience() > 1;

    ($self->{workers}) = $conf =~ /^worker_processes\s+(\d+)/m;
    $conf =~ s/%%DIR%%/$dir/g;
    $conf =~ s/%%PORT%%/$self->{port}/g;

    return $self->{test}->write_file("$self->{name}.conf",
        "${module}${user}pid  $self->{pidfile};\n"
        . "error_log  $self->{log} " . ($self->{level} // 'info') . ";\n"
        . 'daemon  ' . ($self->{daemon} ? 'on' : 'off') . ";\n$conf");
}

sub start {
    my ($self, $conf) = @_;

    my $file = $self->write_conf($conf);
    my $pid = fork // die "fork: $!";

    if (!$pid) {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', $self->{log};
        open STDERR, '>>', $self->{log};
        %ENV = (%ENV, $self->{test}->clock($self->{ahead} // 0))
            if $self->{ahead} || $self->{later};
        $ENV{GATE_LATER} = $self->{later} if $self->{later};

        exec @{ $self->{under} // [] }, $self->{binary}, '-p', $self->{dir},
             '-c', $file, '-e', $self->{log};
        exit 127;
    }

    if ($self->{daemon}) {
        waitpid $pid, 0;

        # it writes its pid when its parent has ended already

        $self->{test}->wait_for(sub {
            return ($pid) = $self->{test}->read_file("$self->{name}.pid")
                            =~ /(\d+)/;
        }) or die "nginx does not start: "
                  . $self->{test}->read_file($self->{log});
    }

    $self->{pid} = $pid;

    my $deadline = time + ($self->{under} ? 120 : 15 * patience());

    until (IO::Socket::INET->new(PeerAddr => "127.0.0.1:$self->{port}")) {
        if (time > $deadline || !runs($pid)) {
            kill KILL => $pid;
            delete $self->{pid};
            die "nginx does not start: " . $self->{test}->read_file(
                                               $self->{log});
        }
        sleep 0.01;
    }

    $self->wait_workers;
}

# With later => FILE: it is so many seconds later for it than when it began, by
# the monotonic clock, and by that on the wall.

sub later {
    my ($self, $seconds, $wall) = @_;

    open my $fh, '+<:raw', $self->{later} or die "$self->{later}: $!";
    syswrite $fh, pack 'l!l!', $seconds, $wall // 0;
    close $fh;
}

sub patience { return $ENV{TEST_PATIENCE} // 1 }

# "nginx -t": exit code and words

sub check {
    my ($self, $conf) = @_;

    my $file = $self->write_conf($conf);
    my $said = qx($self->{binary} -t -p $self->{dir} -c $file 2>&1);

    $self->{test}->write_file("sanitizer.check", $said) if $said =~ $reports;

    return ($? >> 8, $said);
}

sub workers {
    my ($self) = @_;

    my $pid = $self->{pid} or return;

    return $pid if $self->{single};
    return grep { $self->serves($_) } children($pid);
}

sub children {
    my ($pid) = @_;

    my $children = '';

    for my $file (glob "/proc/$pid/task/*/children") {
        open my $fh, '<', $file or next;
        $children .= ' ' . (<$fh> // '');
    }

    return split ' ', $children;
}

# By its title; valgrind keeps that nginx changes it.

sub serves {
    my ($self, $pid) = @_;

    return !$self->said(qr/ $pid#\d+: (?:gracefully shutting down|exiting)$/)
        if $ENV{TEST_MEMCHECK};

    open my $fh, '<', "/proc/$pid/cmdline" or return 0;
    my $title = <$fh> // '';

    return $title =~ /worker process/ && $title !~ /shutting down/;
}

sub wait_workers {
    my ($self) = @_;

    $self->{test}->wait_for(sub { $self->workers >= $self->{workers} });
}

# Reloads; returns when the new workers serve and the old ones take no more.

sub reload {
    my ($self, $conf) = @_;

    my %old = map { $_ => 1 } $self->workers;

    $self->write_conf($conf) if defined $conf;
    kill HUP => $self->{pid};

    $self->{test}->wait_for(sub {
        my @now = $self->workers;
        return @now >= $self->{workers} && !grep { $old{$_} } @now;
    }) or die "nginx does not reload: "
              . $self->{test}->read_file($self->{log});
}

# Gracefully, which settles; or with any other signal.

sub stop {
    my ($self, $signal) = @_;

    my $pid = $self->{pid} or return;
    return unless $$ == $self->{owner};

    my @workers = $self->workers;

    kill $signal // 'QUIT', $pid;

    my $deadline = time + 15 * patience();

    while (runs($pid)) {
        if (time > $deadline) {
            kill KILL => $pid, @workers;
            waitpid $pid, 0;
            $self->{stuck} = "[alert] did not stop\n";
        }
        sleep 0.01;
    }

    delete $self->{pid};
}

# A daemon is nobody's child, and its program tells.

sub runs {
    my ($pid) = @_;

    my $ended = waitpid $pid, 1;

    return $ended < 0 ? defined readlink "/proc/$pid/exe" : $ended == 0;
}

# Another binary takes over from a daemon, as nginx' manual has it: returns when
# its workers serve as well, with the pid of the old master, to be told QUIT.

sub upgrade {
    my ($self) = @_;

    my $old = $self->{pid};
    my $new;

    kill USR2 => $old;

    $self->{test}->wait_for(sub {
        ($new) = $self->{test}->read_file("$self->{name}.pid") =~ /(\d+)/;
        return $new && $new != $old;
    }) or die "nginx does not upgrade: "
              . $self->{test}->read_file($self->{log});

    $self->{pid} = $new;
    $self->wait_workers;

    return $old;
}

# As if the host had lost its power: nobody may say good-bye.  The master makes
# no new worker meanwhile, which would be left over.

sub kill_all {
    my ($self) = @_;

    my $pid = delete $self->{pid} or return;

    kill STOP => $pid;
    $self->{test}->wait_for(sub {
        return $self->{test}->read_file("/proc/$pid/stat") =~ /\) [TZ]/;
    });

    my @children = children($pid);

    kill KILL => $pid, @children;
    waitpid $pid, 0;
    $self->{test}->wait_for(sub { !grep { -d "/proc/$_" } @children });
}

sub faults {
    my ($self) = @_;

    my $log = $self->{test}->read_file($self->{log});
    my @found = grep { $_ =~ $faults } split /\n/, $log;

    @found = grep { $_ !~ $self->{expected} } @found if $self->{expected};

    return join "\n", $self->{stuck} // (), @found[0 .. ($#found > 9
                                                         ? 9 : $#found)];
}

# How many lines of the error log match.

sub said {
    my ($self, $what) = @_;

    return scalar grep { $_ =~ $what }
                  split /\n/, $self->{test}->read_file($self->{log});
}

1;
